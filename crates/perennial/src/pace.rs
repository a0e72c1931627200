//! Bodies that arrive too slowly are given up: whoever sends a byte a minute holds a connection and its memory for
//! nothing. A body has some seconds for its journey, and from then on keeps a minimum rate.

use axum::body::{Body, Bytes};
use axum::extract::Request;
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::{Instant, Sleep};

/// How slowly a body may arrive.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// Before the rate counts: a phone in a lift loses some seconds.
    pub grace: Duration,
    /// Bytes a second, on average since the start.
    pub rate: u64,
    /// At most in all.
    pub most: Duration,
}

impl Pace {
    /// 1 KB a second after 5 seconds, and 30 seconds at most.
    pub const USUAL: Pace = Pace { grace: Duration::from_secs(5), rate: 1_024, most: Duration::from_secs(30) };

    /// When a body must be further than `received` bytes.
    fn deadline(&self, began: Instant, received: u64) -> Instant {
        let earned = Duration::from_millis(received.saturating_mul(1_000) / self.rate.max(1));
        began + self.grace.saturating_add(earned).min(self.most)
    }
}

/// The body arrived too slowly.
#[derive(Debug, thiserror::Error)]
#[error("the body arrived too slowly")]
pub struct TooSlow;

/// Whether an error says that a body arrived too slowly.
pub fn is_too_slow(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut at = Some(error);
    while let Some(error) = at {
        if error.is::<TooSlow>() {
            return true;
        }
        at = error.source();
    }
    false
}

/// Puts the pace upon the body of a request. `given_up` counts those that do not keep it.
pub fn keep(request: Request, pace: Pace, given_up: &Arc<AtomicU64>) -> Request {
    if request.body().is_end_stream() {
        return request;
    }
    let began = Instant::now();
    let given_up = given_up.clone();
    request.map(|inner| {
        Body::new(Paced {
            inner,
            pace,
            began,
            received: 0,
            alarm: Box::pin(tokio::time::sleep_until(pace.deadline(began, 0))),
            given_up,
        })
    })
}

struct Paced {
    inner: Body,
    pace: Pace,
    began: Instant,
    received: u64,
    alarm: Pin<Box<Sleep>>,
    given_up: Arc<AtomicU64>,
}

impl HttpBody for Paced {
    type Data = Bytes;
    type Error = axum::BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::BoxError>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.inner).poll_frame(context) {
            if let Some(Ok(frame)) = &frame {
                self.received += frame.data_ref().map_or(0, |data| data.len() as u64);
                let deadline = self.pace.deadline(self.began, self.received);
                self.alarm.as_mut().reset(deadline);
            }
            return Poll::Ready(frame.map(|frame| frame.map_err(Into::into)));
        }
        if self.alarm.as_mut().poll(context).is_ready() {
            self.given_up.fetch_add(1, Ordering::Relaxed);
            return Poll::Ready(Some(Err(TooSlow.into())));
        }
        Poll::Pending
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_has_its_grace_then_a_second_for_each_kilobyte_and_never_more_than_the_most() {
        let began = Instant::now();
        let after = |received| Pace::USUAL.deadline(began, received).duration_since(began).as_millis();
        assert_eq!([after(0), after(512), after(10 * 1_024)], [5_000, 5_500, 15_000]);
        assert_eq!([after(1 << 20), after(u64::MAX)], [30_000, 30_000]);
    }
}
