//! Records of users: read with their version, decided on purely, put over that version, and again where somebody was faster.

use super::sealing::{Keys, Use};
use super::user::UserRecord;
use super::{Mfa, MfaError};
use crate::clock::Timestamp;
use crate::memory::vault::{Kept, Place, Put, Record, Version};
use crate::memory::{Memory, MemoryError};
use crate::pipeline::UserName;

/// So often somebody else may be faster. Each of them got further meanwhile, so that a crowd of so many ends.
const ATTEMPTS_MAX: usize = 32;

impl<M: Memory> Mfa<M> {
    /// What is kept of a user; of one of whom nothing is, an empty record.
    ///
    /// # Errors
    ///
    /// It cannot be had, or not be opened: then nobody may take the user for one without factors.
    pub async fn read_user(&self, user: UserName<'_>, now: Timestamp) -> Result<UserRecord, MfaError> {
        let place = self.place(user).await?;
        Ok(self.read(place, user, now).await?.record)
    }

    /// Shows what is kept of a user to `decide`, and keeps what that makes of it, whatever it answers. It may be asked more than
    /// once, each time with what is kept then. What it answers is answered when the rest is durable.
    ///
    /// # Errors
    ///
    /// As `decide`; or the record cannot be had, opened, or put.
    pub async fn update_user<T>(
        &self,
        user: UserName<'_>,
        now: Timestamp,
        mut decide: impl FnMut(&mut UserRecord) -> Result<T, MfaError>,
    ) -> Result<T, MfaError> {
        let place = self.place(user).await?;
        for _ in 0..ATTEMPTS_MAX {
            let Read { mut record, version, encoded } = self.read(place, user, now).await?;
            let decided = decide(&mut record);
            let next = record.encode();
            if next == encoded {
                return decided;
            }
            let content = self.keys.seal(Use::UserRecord, &sealed_for(user), &next);
            let content = content.map_err(|error| self.failed(&MemoryError::Unavailable(error.to_string())))?;
            let next = Record { content: content.into(), until: record.until(now) };
            match self.pipeline.memory().put(place, version, Some(next), now).await {
                Ok(Put::Done) => return decided,
                Ok(Put::Changed) => {}
                Err(error) => return Err(self.failed(&error)),
            }
        }
        Err(self.failed(&MemoryError::Unavailable(format!(
            "a record changed {ATTEMPTS_MAX} times while it was decided on"
        ))))
    }

    async fn read(&self, place: Place, user: UserName<'_>, now: Timestamp) -> Result<Read, MfaError> {
        let kept = self.pipeline.memory().kept(place, now).await.map_err(|error| self.failed(&error))?;
        Read::of(&self.keys, user, kept).ok_or_else(|| {
            self.failed(&MemoryError::Unavailable(
                "a record of a user does not open: its key is not among mfa.key_files, or a later version wrote it"
                    .to_owned(),
            ))
        })
    }

    async fn place(&self, user: UserName<'_>) -> Result<Place, MfaError> {
        let key = self.pipeline.adopted(user).await.map_err(|_| MfaError::Unavailable)?;
        Ok(Place::User(key))
    }

    pub(super) fn failed(&self, error: &MemoryError) -> MfaError {
        self.pipeline.failed(error);
        MfaError::Unavailable
    }
}

/// A record as it was read.
struct Read {
    record: UserRecord,
    version: Option<Version>,
    /// As it would be written, were nothing changed.
    encoded: Vec<u8>,
}

impl Read {
    fn of(keys: &Keys, user: UserName<'_>, kept: Option<Kept>) -> Option<Self> {
        let Some(Kept { version, content }) = kept else {
            let record = UserRecord::default();
            return Some(Self { encoded: record.encode(), record, version: None });
        };
        let encoded = keys.open(Use::UserRecord, &sealed_for(user), &content)?;
        let record = UserRecord::decode(&encoded)?;
        Some(Self { record, version: Some(version), encoded })
    }
}

/// Whose it is, which outlives the keys under which users are known. The length keeps ("ab", "c") apart from ("a", "bc").
fn sealed_for(user: UserName<'_>) -> Vec<u8> {
    let length = u64::try_from(user.tenant.len()).unwrap_or(u64::MAX).to_le_bytes();
    [&length[..], user.tenant.as_bytes(), user.id.as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mfa::tests::mfa;
    use crate::mfa::user::FactorId;
    use std::sync::Arc;
    use std::thread;

    const ALICE: UserName<'_> = UserName { tenant: "default", id: "alice" };

    fn wait<T>(future: impl Future<Output = T>) -> T {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        runtime.block_on(future)
    }

    #[test]
    fn what_many_decide_at_once_is_decided_one_after_the_other() {
        let (mfa, now) = (Arc::new(mfa()), Timestamp::from_unix_s(1_800_000_000));
        let threads: Vec<_> = (0..4)
            .map(|_| {
                let mfa = Arc::clone(&mfa);
                thread::spawn(move || {
                    wait(mfa.update_user(ALICE, now, |record| {
                        let Some(codes) = &mut record.backup_codes else {
                            record.backup_codes = Some(crate::mfa::user::BackupCodes {
                                id: FactorId::random()?,
                                salt: [0; 16],
                                unused: Vec::new(),
                                made: now,
                                last_used: None,
                            });
                            return Ok(true);
                        };
                        codes.unused.push(crate::mfa::user::CodeHash([1; 32]));
                        Ok(false)
                    }))
                })
            })
            .collect();
        let first: Vec<_> = threads.into_iter().map(|thread| thread.join().expect("it ends")).collect();
        assert_eq!(first.iter().filter(|first| **first == Ok(true)).count(), 1, "{first:?}");
        let record = wait(mfa.read_user(ALICE, now)).expect("it is there");
        assert_eq!(record.backup_codes.map(|codes| codes.unused.len()), Some(3));
    }

    #[test]
    fn what_a_refusal_leaves_is_kept_and_a_record_of_another_does_not_open() {
        let (mfa, now) = (mfa(), Timestamp::from_unix_s(1_800_000_000));
        let refused = wait(mfa.update_user(ALICE, now, |record| -> Result<(), MfaError> {
            record.backup_codes = Some(crate::mfa::user::BackupCodes {
                id: FactorId::random()?,
                salt: [0; 16],
                unused: Vec::new(),
                made: now,
                last_used: None,
            });
            Err(MfaError::CodeMismatch)
        }));
        assert_eq!(refused, Err(MfaError::CodeMismatch));
        assert!(wait(mfa.read_user(ALICE, now)).is_ok_and(|record| record.backup_codes.is_some()));
        let bob = UserName { id: "bob", ..ALICE };
        let moved = wait(async {
            let memory = mfa.pipeline.memory();
            let kept = memory.kept(mfa.place(ALICE).await?, now).await.ok().flatten();
            let record = kept.map(|kept| Record { content: kept.content, until: None });
            let put = memory.put(mfa.place(bob).await?, None, record, now).await;
            assert!(matches!(put, Ok(Put::Done)));
            mfa.read_user(bob, now).await
        });
        assert_eq!(moved.map(|_| ()), Err(MfaError::Unavailable));
    }
}
