//! When something was last counted of a source, and for how long it stays for that.

use super::users::DAY_S;

/// The clock may go back by this much and nothing is lost; a source from further in the future is begun anew, since its rings
/// would stand still until then.
const BACK_S_MAX: u32 = 600;
/// One step of the ring of a day.
pub(super) const STEP_S: u32 = DAY_S / 12;

/// The last second that was counted; no bucket and no stamp is later. And how much the source had to tell then.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Touched {
    pub(super) at_s: u32,
    pub(super) weight: Weight,
}

/// How much a source has to tell, and so how long it outlives others that were seen later. A failure is worth four successes; two hours
/// halve it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Weight(pub(super) u16);

impl Weight {
    const SUCCESS: Self = Self(1);
    const FAILURE: Self = Self(4);

    pub(super) fn add(&mut self, more: Self) {
        self.0 = self.0.saturating_add(more.0);
    }

    /// A quarter of an hour for each doubling, up to four hours.
    const fn outlives_s(self) -> u32 {
        900 * (u16::BITS - self.0.leading_zeros())
    }
}

impl Touched {
    /// By how many seconds a source outlives its last use, where one failure is all that it has to tell.
    pub(super) const FAILED_ONCE_OUTLIVES_S: u32 = Weight::FAILURE.outlives_s();
    /// The same where one success is all.
    pub(super) const SUCCEEDED_ONCE_OUTLIVES_S: u32 = Weight::SUCCESS.outlives_s();
    /// No source stays for longer than this after the present, unless the clock was set back.
    pub(super) const OUTLIVES_S_MAX: u32 = Weight(u16::MAX).outlives_s() + BACK_S_MAX;

    pub(super) fn new(at_s: u32) -> Self {
        Self { at_s, weight: Weight(0) }
    }

    /// Whether it is from before the clock was set back.
    pub(super) fn is_ahead_of(self, now_s: u32) -> bool {
        self.at_s > now_s.saturating_add(BACK_S_MAX)
    }

    /// On to a second that is not before.
    pub(super) fn advance(&mut self, at_s: u32) {
        if at_s > self.at_s {
            let steps = at_s / STEP_S - self.at_s / STEP_S;
            self.weight.0 = self.weight.0.checked_shr(steps).unwrap_or(0);
            self.at_s = at_s;
        }
    }

    pub(super) fn weigh(&mut self, has_failed: bool) {
        self.weight.add(if has_failed { Weight::FAILURE } else { Weight::SUCCESS });
    }

    pub(super) fn outlives_s(self) -> u32 {
        self.weight.outlives_s()
    }

    /// When the source gives way to another.
    pub(super) fn stays_until_s(self) -> u32 {
        self.at_s.saturating_add(self.outlives_s())
    }
}
