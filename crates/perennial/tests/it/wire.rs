//! What only a socket can do: lie about lengths, never end, send two requests as one.

use crate::house::basic;
use crate::process::{Desk, Server};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

struct Wire {
    stream: TcpStream,
}

impl Wire {
    fn open(server: &Server) -> Wire {
        let stream = TcpStream::connect(server.address()).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream.set_write_timeout(Some(Duration::from_secs(20))).unwrap();
        Wire { stream }
    }

    /// Sends; false when the server has closed the connection.
    fn send(&mut self, bytes: &[u8]) -> bool {
        self.stream.write_all(bytes).is_ok()
    }

    /// Everything until the server closes.
    fn rest(&mut self) -> String {
        let mut rest = Vec::new();
        // A reset after the answer is a close as well.
        let _ = self.stream.read_to_end(&mut rest);
        String::from_utf8_lossy(&rest).into_owned()
    }
}

fn head(key: &str, more: &str) -> Vec<u8> {
    format!("POST /v1/track HTTP/1.1\r\nhost: x\r\nauthorization: {}\r\n{more}\r\n", basic(key)).into_bytes()
}

fn calls_total(server: &Server) -> u64 {
    let metrics = ureq::get(&format!("{}/metrics", server.url)).call().unwrap().body_mut().read_to_string().unwrap();
    metrics.lines().find_map(|line| line.strip_prefix("perennial_calls_total ")?.parse().ok()).unwrap()
}

#[test]
fn a_server_outlives_lies_about_lengths_and_bodies_without_end_t1_t19() {
    let desk = Desk::new();
    let server = Server::start(&desk);
    let key = desk.key("server");

    // A hundred megabytes announced: refused at once, and the connection closed.
    let mut wire = Wire::open(&server);
    wire.send(&head(&key, "content-length: 104857600\r\n"));
    let answer = wire.rest();
    assert!(answer.starts_with("HTTP/1.1 413") && answer.to_lowercase().contains("connection: close"), "{answer}");

    // Chunks without end: stopped past 4 MB, not when memory is full.
    let mut wire = Wire::open(&server);
    wire.send(&head(&key, "transfer-encoding: chunked\r\n"));
    let chunk = [b"10000\r\n".to_vec(), vec![b' '; 0x10000], b"\r\n".to_vec()].concat();
    let sent = (0..4_000).take_while(|_| wire.send(&chunk)).count();
    assert!(sent < 2_000, "the server took {sent} chunks of 64 KB");
    // The answer may be lost when a connection is closed against a sender who does not listen.
    let answer = wire.rest();
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 413"), "{answer}");

    // Shorter than announced: nothing of it counts.
    let body = br#"{"userId":"ana","event":"X"}"#;
    let mut wire = Wire::open(&server);
    wire.send(&head(&key, "content-length: 200\r\n"));
    wire.send(body);
    wire.stream.shutdown(std::net::Shutdown::Write).unwrap();
    assert!(!wire.rest().starts_with("HTTP/1.1 200"));

    // Both lengths: a proxy that goes by one of them takes for one request what is two by the other. The chunks count,
    // and what follows them is nobody's request.
    for lengths in
        ["content-length: 5\r\ntransfer-encoding: chunked\r\n", "transfer-encoding: chunked\r\ncontent-length: 5\r\n"]
    {
        let mut wire = Wire::open(&server);
        let chunks = format!("1c\r\n{}\r\n0\r\n\r\n", String::from_utf8_lossy(body));
        wire.send(
            &[head(&key, lengths), chunks.into_bytes(), head(&key, "content-length: 28\r\n"), body.to_vec()].concat(),
        );
        let answer = wire.rest();
        assert_eq!(answer.matches("HTTP/1.1").count(), 1, "{answer}");
        assert!(answer.to_lowercase().contains("connection: close"), "{answer}");
    }
    let before = calls_total(&server);
    assert_eq!(before, 2);
    for lengths in [
        "content-length: 28\r\ncontent-length: 5\r\n",
        "content-length: -1\r\n",
        "content-length: 99999999999999999999999\r\n",
    ] {
        let mut wire = Wire::open(&server);
        wire.send(&head(&key, lengths));
        wire.send(body);
        let answer = wire.rest();
        assert!(answer.starts_with("HTTP/1.1 4"), "{lengths}: {answer}");
    }

    // A head without end.
    let mut wire = Wire::open(&server);
    wire.send(b"GET / HTTP/1.1\r\nhost: x\r\n");
    let sent = (0..10_000).take_while(|n| wire.send(format!("x-{n}: {}\r\n", "y".repeat(1_000)).as_bytes())).count();
    assert!(sent < 10_000);
    assert!(!wire.rest().contains("200 OK"));
    assert_eq!(calls_total(&server), before);

    // And after all that it does its work, on a connection that is kept.
    let mut wire = Wire::open(&server);
    wire.send(&head(&key, "content-length: 28\r\n"));
    wire.send(body);
    wire.send(&head(&key, "content-length: 28\r\nconnection: close\r\n"));
    wire.send(body);
    assert_eq!(wire.rest().matches(r#"{"success":true}"#).count(), 2);
    assert_eq!(calls_total(&server), before + 2);
}
