//! A workspace in this process, asked through its router as a socket would ask it.

use axum::body::Body;
use axum::http::{HeaderMap, Method, Request};
use perennial::config::Config;
use perennial::serve::Open;
use serde_json::{Value, json};
use std::time::Duration;
use store::{Page, Reader, Reception, Refused};
use tempfile::TempDir;
use tower::ServiceExt;

pub(crate) struct House {
    open: Option<Open>,
    runtime: tokio::runtime::Runtime,
    // Removed when the house falls, after the store was closed.
    _dir: TempDir,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("no JSON: {}", self.text()))
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// Fails unless it is what SDKs take for success: this status and these bytes.
    #[track_caller]
    pub(crate) fn assert_success(&self) {
        assert_eq!((self.status, self.text().as_str()), (200, r#"{"success":true}"#));
    }

    /// Fails unless the request was refused with this status and word.
    #[track_caller]
    pub(crate) fn assert_refused(&self, status: u16, code: &str) {
        assert_eq!((self.status, self.json()["code"].as_str()), (status, Some(code)), "{}", self.text());
        let (body, said) = (self.json(), ["message", "detail"]);
        assert!(said.iter().any(|key| body[key].as_str().is_some_and(|text| !text.is_empty())), "{body}");
    }
}

impl House {
    pub(crate) fn new() -> House {
        House::with(|_| {})
    }

    pub(crate) fn with(change: impl FnOnce(&mut Config)) -> House {
        let dir = TempDir::new().unwrap();
        let mut config = Config::read(None).unwrap();
        change(&mut config);
        let open = Open::new(dir.path(), &config, "127.0.0.1:7700".parse().unwrap(), None).unwrap();
        // A click is judged when those beside it are known; tests that follow one link wait for nobody.
        open.app.followed.set_patience(Duration::ZERO);
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        House { open: Some(open), runtime, _dir: dir }
    }

    pub(crate) fn open(&self) -> &Open {
        self.open.as_ref().unwrap()
    }

    pub(crate) fn ask(&self, request: Request<Body>) -> Answer {
        let router = self.open().router.clone();
        self.runtime.block_on(async move {
            let response = router.oneshot(request).await.unwrap();
            let (parts, body) = response.into_parts();
            let body = axum::body::to_bytes(body, usize::MAX).await.unwrap().to_vec();
            Answer { status: parts.status.as_u16(), headers: parts.headers, body }
        })
    }

    /// Asks several things at the same moment. The answers are in the order of the requests.
    pub(crate) fn ask_together(&self, requests: Vec<Request<Body>>) -> Vec<Answer> {
        let tasks: Vec<_> = requests
            .into_iter()
            .map(|request| {
                let router = self.open().router.clone();
                self.runtime.spawn(async move {
                    let response = router.oneshot(request).await.unwrap();
                    let (parts, body) = response.into_parts();
                    let body = axum::body::to_bytes(body, usize::MAX).await.unwrap().to_vec();
                    Answer { status: parts.status.as_u16(), headers: parts.headers, body }
                })
            })
            .collect();
        self.runtime.block_on(async move {
            let mut answers = Vec::new();
            for task in tasks {
                answers.push(task.await.unwrap());
            }
            answers
        })
    }

    /// Lets time pass.
    pub(crate) fn pass(&self, span: domain::Span) {
        let clock = self.open().handle().clock();
        clock.set_offset_ms(clock.offset_ms() + span.0);
    }

    /// A page as somebody sees it who is logged in.
    pub(crate) fn page(&self, path: &str) -> Answer {
        let link = self.open().sessions.issue_link(jiff::Timestamp::now());
        let host = |request: axum::http::request::Builder| request.header("host", "127.0.0.1:7700");
        let login = host(Request::post("/login"))
            .header("origin", "http://127.0.0.1:7700")
            .header("content-type", "application/x-www-form-urlencoded");
        let answer = self.ask(login.body(Body::from(format!("token={link}"))).unwrap());
        let cookie = answer.header("set-cookie").unwrap().split(';').next().unwrap().to_owned();
        self.ask(host(Request::get(path)).header("cookie", cookie).body(Body::empty()).unwrap())
    }

    /// A write key: `browser` or `server`.
    pub(crate) fn key(&self, kind: &str) -> String {
        self.manage(Method::POST, "/api/keys", Some(json!({ "kind": kind, "source": kind })))["key"]
            .as_str()
            .unwrap()
            .to_owned()
    }

    /// Asks as commands do; anything but success fails the test.
    #[track_caller]
    pub(crate) fn manage(&self, method: Method, path: &str, body: Option<Value>) -> Value {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("authorization", format!("Bearer {}", self.open().app.token))
            .header("content-type", "application/json")
            .body(body.map_or_else(Body::empty, |body| Body::from(body.to_string())))
            .unwrap();
        let answer = self.ask(request);
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        answer.json()
    }

    #[track_caller]
    pub(crate) fn get(&self, path: &str) -> Value {
        self.manage(Method::GET, path, None)
    }

    /// As `get`; none where there is no such thing.
    pub(crate) fn manage_or_none(&self, path: &str) -> Option<Value> {
        let request = Request::get(path).header("authorization", format!("Bearer {}", self.open().app.token));
        let answer = self.ask(request.body(Body::empty()).unwrap());
        (answer.status == 200).then(|| answer.json())
    }

    #[track_caller]
    pub(crate) fn define(&self, yaml: &str) {
        self.manage(
            Method::POST,
            "/api/definitions",
            Some(json!({ "documents": [{ "origin": "test.yaml", "text": yaml }], "by": "a test" })),
        );
    }

    /// Sends a body with a key in the header.
    pub(crate) fn send(&self, path: &str, key: &str, body: impl Into<Body>) -> Answer {
        self.ask(Request::post(path).header("authorization", basic(key)).body(body.into()).unwrap())
    }

    /// Sends one call.
    pub(crate) fn call(&self, key: &str, call: Value) -> Answer {
        let kind = call["type"].as_str().unwrap().to_owned();
        self.send(&format!("/v1/{kind}"), key, call.to_string())
    }

    /// Sends a batch.
    pub(crate) fn batch(&self, key: &str, calls: &[Value]) -> Answer {
        self.send("/v1/batch", key, json!({ "batch": calls }).to_string())
    }

    /// What was refused and kept, the oldest first.
    pub(crate) fn refused(&self) -> Vec<Refused> {
        let mut refused = self.look(|reader| reader.refused(Page { skip: 0, limit: 1_000 }).unwrap());
        refused.reverse();
        refused
    }

    /// How many calls came to this end.
    pub(crate) fn tally(&self, reception: Reception) -> u64 {
        let tallies = self.look(|reader| reader.tallies(10_000).unwrap());
        tallies.iter().filter(|tally| tally.key.reception == reception).map(|tally| tally.count).sum()
    }

    pub(crate) fn look<T>(&self, look: impl FnOnce(&dyn Reader) -> T) -> T {
        self.open().handle().with_reader(|reader| Ok(look(reader))).unwrap()
    }

    /// The events of one name in a customer's history, each as often as it counts.
    #[track_caller]
    pub(crate) fn events(&self, customer: &str, event: &str) -> Vec<Value> {
        let timeline = self.get(&format!("/api/customers/{customer}/timeline"));
        let happenings = timeline["happenings"].as_array().unwrap().iter();
        happenings
            .filter(|one| one["event"] == event)
            .flat_map(|one| vec![one.clone(); one["times"].as_u64().unwrap() as usize])
            .collect()
    }
}

impl Drop for House {
    fn drop(&mut self) {
        if let Some(open) = self.open.take() {
            open.close();
        }
    }
}

/// The header of Basic auth with the key as the user, as the SDKs of servers send it.
pub(crate) fn basic(key: &str) -> String {
    use base64::Engine as _;
    format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(format!("{key}:")))
}

/// Gzipped.
pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    packer.write_all(bytes).unwrap();
    packer.finish().unwrap()
}
