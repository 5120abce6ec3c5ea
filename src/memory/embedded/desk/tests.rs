//! Every order in which callers and the writer can take the desk's lock, by a model checker. Waiting never times out here, so that a
//! wake-up that is lost is a thread that waits for ever, which the checker finds.

use super::*;
use loom::sync::{Arc, Condvar, Mutex};
use loom::thread;
use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Wake, Waker};

/// A lock and a condition of which the checker decides who has it next.
#[derive(Debug, Default)]
struct Modelled<T> {
    value: Mutex<T>,
    bell: Condvar,
}

impl<T> Board<T> for Modelled<T> {
    fn with<R>(&self, act: impl FnOnce(&mut T) -> R) -> R {
        act(&mut self.value.lock().expect("nobody panics"))
    }

    fn wait<R>(&self, _at_most: Duration, mut idle: impl FnMut(&mut T) -> bool, act: impl FnOnce(&mut T) -> R) -> R {
        let mut value = self.value.lock().expect("nobody panics");
        while idle(&mut value) {
            value = self.bell.wait(value).expect("nobody panics");
        }
        act(&mut value)
    }

    fn ring(&self) {
        self.bell.notify_one();
    }
}

/// Wakes a thread of the model that waits for what it is told.
#[derive(Default)]
struct Alarm(Modelled<bool>);

impl Wake for Alarm {
    fn wake(self: std::sync::Arc<Self>) {
        self.0.with(|rings| *rings = true);
        self.0.ring();
    }
}

fn hear<T>(told: Told<T>) -> Result<T, MemoryError> {
    let alarm = std::sync::Arc::new(Alarm::default());
    let (waker, mut told) = (Waker::from(std::sync::Arc::clone(&alarm)), pin!(told));
    loop {
        match told.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(told) => return told.expect("whoever asked is told"),
            Poll::Pending => alarm.0.wait(Duration::ZERO, |rings| !*rings, |rings| *rings = false),
        }
    }
}

/// What is noted and what is written, in place of memory and disk.
#[derive(Debug, Default)]
struct World {
    desk: Desk<Modelled<Queue>>,
    noted: Mutex<Vec<UserKey>>,
    written: Mutex<Vec<UserKey>>,
    erased: Mutex<Vec<UserKey>>,
}

impl World {
    /// The writer; its first rounds fail.
    fn serve(&self, mut failures: usize) {
        self.desk.serve(Duration::ZERO, |Asked { waiting, wishes, gone }| {
            let taken = std::mem::take(&mut *self.noted.lock().expect("nobody panics"));
            let fails = failures > 0;
            failures = failures.saturating_sub(1);
            let told = if fails {
                self.noted.lock().expect("nobody panics").extend(taken);
                Err(MemoryError::Unavailable("EIO".to_owned()))
            } else {
                self.written.lock().expect("nobody panics").extend(taken);
                self.erased.lock().expect("nobody panics").extend(gone.iter().map(|gone| gone.user));
                self.desk.gone(gone.len());
                Ok(())
            };
            for waiter in waiting {
                let again = told.as_ref().copied().map_err(|error| MemoryError::Unavailable(error.to_string()));
                waiter.told.send(again).expect("they wait");
            }
            for wisher in wishes {
                let granted = told.as_ref().map(|()| Put::Done).map_err(|_| MemoryError::Unavailable("EIO".to_owned()));
                wisher.told.send(granted).expect("they wait");
            }
            Next { pause: Duration::ZERO, may_end: true }
        });
    }

    /// Notes a change, and waits for it; `None` when the desk is closed.
    fn keep(&self, user: UserKey) -> Option<Result<(), MemoryError>> {
        self.noted.lock().expect("nobody panics").push(user);
        let told = hear(self.desk.ask(Wanted::Kept(user, None))?);
        if told.is_ok() {
            assert!(self.written.lock().expect("nobody panics").contains(&user), "it was said before it was so");
        }
        Some(told)
    }

    /// Wishes for something; `None` when the desk is closed.
    fn wish(&self) -> Option<Result<Put, MemoryError>> {
        self.desk.wish(Wish::Move { from: UserKey(1), to: UserKey(2) }).map(hear)
    }

    fn erase(&self, user: UserKey) -> Option<Result<(), MemoryError>> {
        let asked = self.desk.ask(Wanted::Erased(user, Timestamp::from_unix_s(1)))?;
        let is_going = self.desk.is_going(user);
        let is_gone = || self.erased.lock().expect("nobody panics").contains(&user);
        assert!(is_going || is_gone(), "a read in between would bring it back");
        let told = hear(asked);
        assert_eq!(told.is_ok(), is_gone());
        assert_eq!(told.is_ok(), !self.desk.is_going(user), "what failed is tried again");
        Some(told)
    }
}

fn check(story: impl Fn() + Send + Sync + 'static) {
    let mut model = loom::model::Builder::new();
    // **Source:** Musuvathi, Qadeer, "Iterative context bounding", 2007: bugs show with two or three.
    model.preemption_bound = Some(2);
    model.check(story);
}

#[test]
fn whoever_asks_is_woken_when_what_they_asked_for_is_written() {
    check(|| {
        let world = Arc::new(World::default());
        let writer = thread::spawn({
            let world = Arc::clone(&world);
            move || world.serve(0)
        });
        let other = thread::spawn({
            let world = Arc::clone(&world);
            move || world.keep(UserKey(1))
        });
        assert!(world.keep(UserKey(2)).is_some_and(|told| told.is_ok()));
        assert!(other.join().expect("it does not panic").is_some_and(|told| told.is_ok()));
        world.desk.stop();
        writer.join().expect("it does not panic");
        assert!(world.keep(UserKey(3)).is_none(), "it is closed");
    });
}

#[test]
fn whoever_asks_while_it_stops_is_told_or_sent_away() {
    check(|| {
        let world = Arc::new(World::default());
        let writer = thread::spawn({
            let world = Arc::clone(&world);
            move || world.serve(0)
        });
        let other = thread::spawn({
            let world = Arc::clone(&world);
            move || world.keep(UserKey(1))
        });
        world.desk.stop();
        let told = other.join().expect("it does not panic");
        assert!(told.is_none_or(|told| told.is_ok()));
        writer.join().expect("it does not panic");
    });
}

#[test]
fn whoever_wishes_while_it_stops_is_told_or_sent_away_and_a_wish_that_failed_is_not_granted() {
    check(|| {
        let world = Arc::new(World::default());
        let writer = thread::spawn({
            let world = Arc::clone(&world);
            move || world.serve(1)
        });
        let other = thread::spawn({
            let world = Arc::clone(&world);
            move || world.wish()
        });
        let own = world.wish();
        let theirs = other.join().expect("it does not panic");
        assert!(own.is_some() && theirs.is_some(), "it is open");
        let granted = [own, theirs].iter().flatten().filter(|told| told.is_ok()).count();
        assert!(granted <= 1, "the first round failed");
        world.desk.stop();
        assert!(world.wish().is_none_or(|told| told.is_ok()));
        writer.join().expect("it does not panic");
        assert!(world.wish().is_none(), "it is closed");
    });
}

#[test]
fn an_erasure_that_failed_is_noted_until_it_is_done() {
    check(|| {
        let world = Arc::new(World::default());
        let writer = thread::spawn({
            let world = Arc::clone(&world);
            move || world.serve(1)
        });
        let failed = world.erase(UserKey(1)).expect("it is open");
        assert!(failed.is_err());
        assert!(world.keep(UserKey(2)).is_some_and(|told| told.is_ok()));
        assert!(!world.desk.is_going(UserKey(1)), "it went with the next round");
        world.desk.stop();
        writer.join().expect("it does not panic");
        assert_eq!(*world.erased.lock().expect("nobody panics"), [UserKey(1)]);
    });
}
