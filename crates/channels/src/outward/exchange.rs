//! One request over an open connection, and its answer: both bounded, whatever the other side does.

use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper::header::{CONNECTION, CONTENT_LENGTH, HOST, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER, USER_AGENT};
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, timeout_at};

use super::connect::{Connection, Limits, Stream};

/// Most header lines of an answer.
const MAX_HEADERS: usize = 100;
/// Who asks.
const AGENT: &str = concat!("Perennial/", env!("CARGO_PKG_VERSION"));
/// The longest wait that an answer can ask for, in seconds: a week is as good as never.
const MAX_RETRY_AFTER_S: u64 = 7 * 24 * 3_600;

/// When the other side wants to be asked again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetryAfter {
    /// After so many seconds, at most a week.
    Seconds(u64),
    /// At an instant, in milliseconds since 1970-01-01 UTC.
    At(i64),
}

/// What was answered. `Debug` hides the body, which may repeat what was sent.
#[derive(Clone, PartialEq, Eq)]
pub struct Answer {
    /// 200 to 999: HTTP has three digits, and anything may be sent.
    pub status: u16,
    /// The header `retry-after`, where it can be read.
    pub retry_after: Option<RetryAfter>,
    /// The beginning of the body, as far as it came in time.
    pub body: Vec<u8>,
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Answer({}, {:?}, {} octets)", self.status, self.retry_after, self.body.len())
    }
}

impl Answer {
    /// Asks whether it says yes.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// Asks whether it points elsewhere, where we do not go.
    pub fn is_redirect(&self) -> bool {
        (300..400).contains(&self.status)
    }
}

/// Why there is no answer. The request may have arrived.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoAnswer {
    /// None came in time.
    #[error("no answer came in time")]
    TooSlow,
    /// The connection ended first.
    #[error("the connection was closed before an answer came")]
    Closed,
    /// Its head is longer than is read.
    #[error("the head of the answer is too long")]
    TooLong,
    /// What came is no HTTP.
    #[error("what came is no answer in HTTP")]
    NotHttp,
}

impl Connection {
    /// Posts a body and reads the answer. `headers`: beside host, user-agent and content-length, which are ours.
    pub async fn post(self, headers: HeaderMap, body: impl Into<Bytes>) -> Result<Answer, NoAnswer> {
        self.ask(Method::POST, headers, body.into()).await
    }

    /// Gets a page, with nothing of ours in the request.
    pub async fn get(self) -> Result<Answer, NoAnswer> {
        self.ask(Method::GET, HeaderMap::new(), Bytes::new()).await
    }

    async fn ask(self, method: Method, headers: HeaderMap, body: Bytes) -> Result<Answer, NoAnswer> {
        let mut request = Request::new(Full::new(body.clone()));
        *request.method_mut() = method;
        *request.uri_mut() = self.target.path.clone();
        *request.headers_mut() = headers;
        let ours: [(HeaderName, Result<HeaderValue, _>); 4] = [
            (HOST, HeaderValue::from_str(&self.target.host_header)),
            (USER_AGENT, HeaderValue::from_str(AGENT)),
            (CONTENT_LENGTH, HeaderValue::from_str(&body.len().to_string())),
            (CONNECTION, HeaderValue::from_str("close")),
        ];
        for (name, value) in ours {
            let value = value.expect("host names are ASCII here, as are the other three");
            request.headers_mut().insert(name, value);
        }
        match self.stream {
            Stream::Plain(tcp) => exchange(tcp, request, self.limits).await,
            Stream::Tls(tls) => exchange(tls, request, self.limits).await,
        }
    }
}

async fn exchange<S>(stream: S, request: Request<Full<Bytes>>, limits: Limits) -> Result<Answer, NoAnswer>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let deadline = Instant::now() + limits.answer;
    let mut builder = http1::Builder::new();
    builder.max_buf_size(limits.head_octets.max(8_192)).max_headers(MAX_HEADERS);
    let (mut sender, connection) = builder.handshake(TokioIo::new(stream)).await.map_err(|error| no_answer(&error))?;
    let asking = async {
        let response = timeout_at(deadline, sender.send_request(request)).await.map_err(|_| NoAnswer::TooSlow)?;
        let (head, body) = response.map_err(|error| no_answer(&error)).map(Response::into_parts)?;
        let retry_after = head.headers.get(RETRY_AFTER).and_then(read_retry_after);
        let body = beginning_of(body, limits.body_octets, deadline).await;
        Ok(Answer { status: head.status.as_u16(), retry_after, body })
    };
    // The connection does the reading and writing for whoever asks; dropped with it, it is closed.
    let (mut asking, mut connection) = (pin!(asking), pin!(connection));
    let mut is_open = true;
    poll_fn(|cx| {
        if let Poll::Ready(answer) = asking.as_mut().poll(cx) {
            return Poll::Ready(answer);
        }
        if is_open && connection.as_mut().poll(cx).is_ready() {
            is_open = false;
            // What it left for whoever asks is there now.
            return asking.as_mut().poll(cx);
        }
        Poll::Pending
    })
    .await
}

/// As much of a body as fits and comes in time. The status has been said: a body that breaks off changes nothing.
async fn beginning_of(mut body: Incoming, most: usize, deadline: Instant) -> Vec<u8> {
    let mut read = Vec::new();
    while read.len() < most
        && let Ok(Some(Ok(frame))) = timeout_at(deadline, body.frame()).await
    {
        if let Ok(data) = frame.into_data() {
            let room = most - read.len();
            read.extend_from_slice(data.get(..room).unwrap_or(&data));
        }
    }
    read
}

/// Seconds, or a date as HTTP writes it.
fn read_retry_after(value: &HeaderValue) -> Option<RetryAfter> {
    let text = value.to_str().ok()?.trim();
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        // More digits than fit are a very long time.
        return Some(RetryAfter::Seconds(text.parse().unwrap_or(MAX_RETRY_AFTER_S).min(MAX_RETRY_AFTER_S)));
    }
    let date = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text).ok()?;
    Some(RetryAfter::At(date.as_millisecond()))
}

fn no_answer(error: &hyper::Error) -> NoAnswer {
    if error.is_parse_too_large() {
        NoAnswer::TooLong
    } else if error.is_parse() {
        NoAnswer::NotHttp
    } else {
        NoAnswer::Closed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_seconds_or_a_date_and_bounded() {
        let read = |text: &str| read_retry_after(&HeaderValue::from_str(text).unwrap());
        assert_eq!(read("120"), Some(RetryAfter::Seconds(120)));
        assert_eq!(read("99999999999999999999999"), Some(RetryAfter::Seconds(MAX_RETRY_AFTER_S)));
        assert_eq!(read("Mon, 02 Mar 2026 12:00:00 GMT"), Some(RetryAfter::At(1_772_452_800_000)));
        for nonsense in ["", "soon", "-5", "1.5", "Mon, 99 Mar 2026 12:00:00 GMT"] {
            assert_eq!(read(nonsense), None, "{nonsense}");
        }
    }
}
