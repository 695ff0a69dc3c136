//! What the readers of a shard have for the hub. This file does not know who reads, nor what is said.
//!
//! Events are gathered while the tasks of a shard run, and passed on together: the hub's loop is woken
//! once for all of them, and not for each.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::mem;
use std::task::{Poll, Waker};

use roundtable::Event;
use smol::channel::Sender;

/// The events of one shard that are not passed on so far, in order.
pub(crate) struct Batch {
    events: RefCell<Vec<Event>>,
    /// The most of them.
    most: usize,
    /// Whether nobody takes them any more.
    is_over: Cell<bool>,
    /// Who passes them on, while there are none.
    idle: Cell<Option<Waker>>,
    /// Those who wait for room.
    waiting: RefCell<Vec<Waker>>,
}

impl Batch {
    /// An empty one with room for `most` events.
    pub(crate) fn new(most: usize) -> Self {
        Self {
            events: RefCell::default(),
            most,
            is_over: Cell::new(false),
            idle: Cell::default(),
            waiting: RefCell::default(),
        }
    }

    /// Adds an event, or gives it back if there is no room. If nobody takes events any more, it is
    /// let go of.
    pub(crate) fn try_add(&self, event: Event) -> Result<(), Event> {
        let mut events = self.events.borrow_mut();
        if self.is_over.get() {
            return Ok(());
        }
        if events.len() == self.most {
            return Err(event);
        }
        events.push(event);
        if let Some(idle) = self.idle.take() {
            // This puts it behind all tasks that are about to run: what they add goes along.
            idle.wake();
        }
        Ok(())
    }

    /// Adds an event as soon as there is room.
    pub(crate) async fn add(&self, event: Event) {
        let mut event = Some(event);
        poll_fn(|cx| {
            event = event.take().and_then(|event| self.try_add(event).err());
            if event.is_none() {
                return Poll::Ready(());
            }
            self.waiting.borrow_mut().push(cx.waker().clone());
            Poll::Pending
        })
        .await;
    }

    /// Passes on what was added, again and again, until nobody takes it any more.
    pub(crate) async fn pass_on(&self, to: &Sender<Vec<Event>>) {
        loop {
            let events = poll_fn(|cx| {
                let events = self.events.take();
                if events.is_empty() {
                    self.idle.set(Some(cx.waker().clone()));
                    return Poll::Pending;
                }
                Poll::Ready(events)
            });
            let is_over = to.send(events.await).await.is_err();
            self.is_over.set(is_over);
            mem::take(&mut *self.waiting.borrow_mut()).into_iter().for_each(Waker::wake);
            if is_over {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use roundtable::ConnId;
    use smol::channel::bounded;
    use smol::future::{block_on, poll_once};

    use super::*;

    fn event(conn: u64) -> Event {
        Event::Heard { conn: ConnId::new(conn) }
    }

    #[test]
    fn what_is_added_is_passed_on_together_and_who_finds_no_room_waits() {
        let batch = Batch::new(2);
        let (sender, receiver) = bounded(1);
        let mut passing = pin!(batch.pass_on(&sender));
        block_on(async {
            assert!(poll_once(&mut passing).await.is_none());
            assert_eq!(batch.try_add(event(1)), Ok(()));
            assert_eq!(batch.try_add(event(2)), Ok(()));
            assert_eq!(batch.try_add(event(3)), Err(event(3)));
            let mut adding = pin!(batch.add(event(3)));
            assert!(poll_once(&mut adding).await.is_none());
            assert!(poll_once(&mut passing).await.is_none());
            assert_eq!(receiver.try_recv(), Ok(vec![event(1), event(2)]));
            assert!(poll_once(&mut adding).await.is_some(), "there is room again");

            // One batch is on its way, so the next one gathers.
            assert!(poll_once(&mut passing).await.is_none());
            assert_eq!(batch.try_add(event(4)), Ok(()));
            assert!(poll_once(&mut passing).await.is_none());
            assert_eq!(batch.try_add(event(5)), Ok(()));
            assert_eq!(receiver.try_recv(), Ok(vec![event(3)]));
            assert!(poll_once(&mut passing).await.is_none());
            assert_eq!(receiver.try_recv(), Ok(vec![event(4)]));
            assert!(poll_once(&mut passing).await.is_none());
            assert_eq!(receiver.try_recv(), Ok(vec![event(5)]));
        });
    }

    #[test]
    fn nobody_waits_for_a_loop_that_is_over() {
        let batch = Batch::new(1);
        let (sender, receiver) = bounded(1);
        let mut passing = pin!(batch.pass_on(&sender));
        drop(receiver);
        block_on(async {
            assert_eq!(batch.try_add(event(1)), Ok(()));
            let mut adding = pin!(batch.add(event(2)));
            assert!(poll_once(&mut adding).await.is_none());
            assert!(poll_once(&mut passing).await.is_some());
            assert!(poll_once(&mut adding).await.is_some());
        });
        assert_eq!(batch.try_add(event(3)), Ok(()));
        assert!(batch.events.borrow().is_empty());
    }
}
