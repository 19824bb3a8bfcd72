//! One connection: how much of the server's memory it holds, and what happens when it holds much.
//!
//! # Flow
//! [`Guarded`] wraps the socket. While many calls of the connection run, or its other end does not
//! read what was written, nothing more is read from it: the sender feels TCP's own back pressure. What waits is known exactly, because every answer and event is announced with its
//! size, and every byte that the socket takes is counted off.
//!
//! A connection on which nothing moves for [`IDLE_MAX`] is closed. A live WebSocket never falls
//! under that: it is pinged.
//!
//! # Invariants
//! - Answers that wait are at most [`CONNECTION_WAITING_BYTES_MAX`] for one connection and
//!   [`WAITING_BYTES_MAX`] for all; one that would exceed it becomes an error. A small one for a caller
//!   that has read everything never does.

use parking_lot::Mutex;
use std::collections::VecDeque;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, Sleep};

/// Calls of one connection that run at the same time before reading from it pauses.
const CALLS_MAX: usize = 32;

/// Messages that wait to be read by the caller before reading from it pauses.
const MESSAGES_MAX: usize = 256;

/// Bytes of requests and answers that wait before reading from the caller pauses.
const PAUSE_BYTES: usize = 4 * 1024 * 1024;

/// Most bytes of answers that wait for one caller; enough for the largest answer.
const CONNECTION_WAITING_BYTES_MAX: usize = 80 * 1024 * 1024;

/// Most bytes of answers that wait for all callers, but for [`ALWAYS_BYTES`] each.
const WAITING_BYTES_MAX: usize = 384 * 1024 * 1024;

/// An answer of this size is taken on every connection for which nothing waits: callers that do not read
/// must not keep those that do from being answered. With 500 connections this is 125 MiB.
const ALWAYS_BYTES: usize = 256 * 1024;

/// A connection on which no byte moves for this long is closed.
const IDLE_MAX: Duration = Duration::from_secs(90);

/// What waits for all callers of one listener, in bytes. Written by the connections; the truth.
#[derive(Debug, Default)]
pub(crate) struct Waiting(AtomicUsize);

/// The books of one connection; in the extensions of its requests.
#[derive(Debug)]
pub(crate) struct Connection {
    state: Mutex<State>,
    all: Arc<Waiting>,
    /// Its place among the connections; given back when the last request is gone.
    _place: OwnedSemaphorePermit,
}

#[derive(Debug, Default)]
struct State {
    calls: usize,
    /// Messages that were handed over and not written yet, oldest first.
    messages: VecDeque<Message>,
    /// Sum over the messages.
    held_bytes: usize,
    /// Of the answers alone.
    answer_bytes: usize,
    /// The socket takes no more: the other end does not read.
    is_full: bool,
    reader: Option<Waker>,
}

#[derive(Debug)]
struct Message {
    /// Bytes of it that the socket has not taken.
    unsent: usize,
    /// Its size and that of its request, which lives until it is handed over.
    held: usize,
    size: usize,
}

/// A call that runs; ends when dropped.
pub(crate) struct Running(Arc<Connection>);

impl Connection {
    pub(crate) fn new(all: Arc<Waiting>, place: OwnedSemaphorePermit) -> Arc<Self> {
        Arc::new(Self { state: Mutex::default(), all, _place: place })
    }

    /// A call begins.
    pub(crate) fn begin(self: &Arc<Self>) -> Running {
        self.state.lock().calls += 1;
        Running(Arc::clone(self))
    }

    /// Announces a message that is about to be handed over, of `size` bytes, for a request of
    /// `request` bytes. Returns false, and notes nothing, when too much waits already.
    pub(crate) fn announce(&self, size: usize, request: usize) -> bool {
        let mut state = self.state.lock();
        let own = state.answer_bytes + size;
        let fits = self.all.0.fetch_add(size, Ordering::AcqRel) + size <= WAITING_BYTES_MAX;
        let always = state.answer_bytes == 0 && size <= ALWAYS_BYTES;
        if !(fits || always) || own > CONNECTION_WAITING_BYTES_MAX {
            self.all.0.fetch_sub(size, Ordering::AcqRel);
            return false;
        }
        state.answer_bytes = own;
        state.held_bytes += size + request;
        state.messages.push_back(Message { unsent: size, held: size + request, size });
        true
    }

    /// The socket has taken `count` bytes. Frames and headers make them a few more than the
    /// messages are; what is more counts for nothing.
    fn sent(&self, mut count: usize) {
        let mut state = self.state.lock();
        state.is_full = false;
        while count > 0 {
            let Some(first) = state.messages.front_mut() else { break };
            let taken = first.unsent.min(count);
            first.unsent -= taken;
            count -= taken;
            if first.unsent > 0 {
                break;
            }
            let (held, size) = (first.held, first.size);
            state.messages.pop_front();
            state.held_bytes -= held;
            state.answer_bytes -= size;
            self.all.0.fetch_sub(size, Ordering::AcqRel);
        }
        state.wake();
    }

    /// Whether reading must pause; the waker is kept then.
    fn pauses(&self, waker: &Waker) -> bool {
        let mut state = self.state.lock();
        let pauses = !state.has_room();
        if pauses {
            state.reader = Some(waker.clone());
        }
        pauses
    }

    /// The socket takes no more for now.
    fn is_full(&self) {
        self.state.lock().is_full = true;
    }

    fn is_working(&self) -> bool {
        self.state.lock().calls > 0
    }
}

impl State {
    fn has_room(&self) -> bool {
        !self.is_full
            && self.calls < CALLS_MAX
            && self.messages.len() < MESSAGES_MAX
            && self.held_bytes < PAUSE_BYTES
    }

    fn wake(&mut self) {
        if self.has_room()
            && let Some(reader) = self.reader.take()
        {
            reader.wake();
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        let left = self.state.get_mut().answer_bytes;
        self.all.0.fetch_sub(left, Ordering::AcqRel);
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let mut state = self.0.state.lock();
        state.calls -= 1;
        state.wake();
    }
}

/// The socket of a connection, which keeps its books.
#[derive(Debug)]
pub(crate) struct Guarded {
    socket: TcpStream,
    connection: Arc<Connection>,
    idle: Pin<Box<Sleep>>,
    /// Something was just read: the calls in it must begin, and be counted, before more is.
    yields: bool,
}

impl Guarded {
    pub(crate) fn new(socket: TcpStream, connection: Arc<Connection>) -> Self {
        Self { socket, connection, idle: Box::pin(tokio::time::sleep(IDLE_MAX)), yields: false }
    }

    /// Something moved.
    fn alive(&mut self) {
        self.idle.as_mut().reset(Instant::now() + IDLE_MAX);
    }

    /// Nothing can be done now; an error when that has lasted too long.
    fn wait<T>(&mut self, context: &mut Context<'_>) -> Poll<io::Result<T>> {
        while self.idle.as_mut().poll(context).is_ready() {
            if !self.connection.is_working() {
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
            self.alive();
        }
        Poll::Pending
    }
}

impl AsyncRead for Guarded {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if std::mem::take(&mut self.yields) {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        if self.connection.pauses(context.waker()) {
            return self.wait(context);
        }
        match Pin::new(&mut self.socket).poll_read(context, buffer) {
            Poll::Pending => self.wait(context),
            ready => {
                self.alive();
                self.yields = true;
                ready
            }
        }
    }
}

impl AsyncWrite for Guarded {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match Pin::new(&mut self.socket).poll_write(context, bytes) {
            Poll::Pending => {
                self.connection.is_full();
                self.wait(context)
            }
            Poll::Ready(written) => {
                self.alive();
                if let Ok(count) = written {
                    self.connection.sent(count);
                }
                Poll::Ready(written)
            }
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicBool;
    use std::task::Wake;
    use tokio::sync::Semaphore;

    struct Flag(AtomicBool);

    impl Wake for Flag {
        fn wake(self: Arc<Self>) {
            self.0.store(true, Ordering::Release);
        }
    }

    fn connection(all: &Arc<Waiting>) -> Arc<Connection> {
        let place = Arc::new(Semaphore::new(1)).try_acquire_owned().unwrap();
        Connection::new(Arc::clone(all), place)
    }

    #[test]
    fn reading_pauses_with_too_many_calls_and_goes_on_when_one_ends() {
        let connection = connection(&Arc::default());
        let flag = Arc::new(Flag(AtomicBool::new(false)));
        let waker = Waker::from(Arc::clone(&flag));
        let mut running: Vec<Running> = (0..CALLS_MAX).map(|_| connection.begin()).collect();
        assert!(connection.pauses(&waker));
        running.pop();
        assert!(flag.0.load(Ordering::Acquire));
        assert!(!connection.pauses(&waker));
    }

    #[test]
    fn reading_pauses_while_the_other_end_does_not_read() {
        let connection = connection(&Arc::default());
        let flag = Arc::new(Flag(AtomicBool::new(false)));
        let waker = Waker::from(Arc::clone(&flag));
        connection.is_full();
        assert!(connection.pauses(&waker));
        connection.sent(1);
        assert!(flag.0.load(Ordering::Acquire) && !connection.pauses(&waker));
    }

    #[test]
    fn a_large_request_counts_until_its_answer_was_written() {
        let connection = connection(&Arc::default());
        let waker = Waker::from(Arc::new(Flag(AtomicBool::new(false))));
        assert!(connection.announce(10, PAUSE_BYTES));
        assert!(connection.pauses(&waker));
        connection.sent(9);
        assert!(connection.pauses(&waker));
        connection.sent(1);
        assert!(!connection.pauses(&waker));
    }

    #[test]
    fn what_waits_is_bounded_for_one_and_for_all_and_is_given_back() {
        let all = Arc::<Waiting>::default();
        let one = connection(&all);
        assert!(one.announce(CONNECTION_WAITING_BYTES_MAX, 0));
        assert!(!one.announce(1, 0));
        let others: Vec<_> = (0..WAITING_BYTES_MAX / CONNECTION_WAITING_BYTES_MAX)
            .map(|_| connection(&all))
            .collect();
        let fit = others.iter().filter(|c| c.announce(CONNECTION_WAITING_BYTES_MAX, 0)).count();
        assert_eq!(fit + 1, WAITING_BYTES_MAX / CONNECTION_WAITING_BYTES_MAX);
        let rest = connection(&all);
        assert!(rest.announce(WAITING_BYTES_MAX % CONNECTION_WAITING_BYTES_MAX, 0));
        // All that may wait does: who has read everything gets a small answer all the same, and one.
        let reader = connection(&all);
        assert!(!reader.announce(ALWAYS_BYTES + 1, 0) && reader.announce(ALWAYS_BYTES, 0));
        assert!(!reader.announce(1, 0));
        one.sent(CONNECTION_WAITING_BYTES_MAX + 14);
        drop((others, rest, reader));
        assert_eq!(all.0.load(Ordering::Acquire), 0);
    }
}
