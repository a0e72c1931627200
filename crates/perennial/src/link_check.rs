//! Whether links lead somewhere: each address is asked once, through the one way out.

use channels::outward::{Limits, Outward, Target, TargetError};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;

/// Links of a template that are looked at.
const LINKS: usize = 40;
/// All of them together take no longer.
const PATIENCE: Duration = Duration::from_secs(15);
/// What is read of an answer: its status is enough.
const BODY_OCTETS: usize = 1_024;

/// Looks at links.
#[derive(Clone)]
pub struct LinkCheck {
    outward: Arc<Outward>,
}

/// What came of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// There is a page.
    Answers,
    /// It leads on; with its status.
    Moved(u16),
    /// There is no such page; with its status.
    Gone(u16),
    /// It answers, but not us: many shops turn away whoever is no browser.
    Refuses(u16),
    /// It does not answer; why.
    Silent(String),
    /// It was not asked; why.
    NotAsked(&'static str),
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Verdict::Answers => f.write_str("Answers"),
            Verdict::Moved(status) => write!(f, "Leads on ({status})"),
            Verdict::Gone(status) => write!(f, "Is gone ({status})"),
            Verdict::Refuses(status) => write!(f, "Answers {status}"),
            Verdict::Silent(reason) => write!(f, "Does not answer: {reason}"),
            Verdict::NotAsked(reason) => write!(f, "Not asked: {reason}"),
        }
    }
}

impl LinkCheck {
    /// Looks through this way out.
    pub fn new(outward: Outward) -> LinkCheck {
        let limits = Limits { body_octets: BODY_OCTETS, ..Limits::default() };
        LinkCheck { outward: Arc::new(outward.with_limits(limits)) }
    }

    /// Asks each address once, all at the same time. Blocks for at most 15 s.
    pub fn look(&self, urls: &[String]) -> std::io::Result<Vec<(String, Verdict)>> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        Ok(runtime.block_on(self.look_at_all(urls)))
    }

    async fn look_at_all(&self, urls: &[String]) -> Vec<(String, Verdict)> {
        let mut verdicts = vec![Verdict::Silent("no answer came in time".to_owned()); urls.len().min(LINKS)];
        verdicts.resize(urls.len(), Verdict::NotAsked("there are too many"));
        let mut asked = JoinSet::new();
        for (place, url) in urls.iter().enumerate().take(LINKS) {
            let (outward, url) = (self.outward.clone(), url.clone());
            asked.spawn(async move { (place, look_at(&outward, &url).await) });
        }
        let gather = async {
            while let Some(done) = asked.join_next().await {
                if let Ok((place, verdict)) = done
                    && let Some(slot) = verdicts.get_mut(place)
                {
                    *slot = verdict;
                }
            }
        };
        // Whoever has not answered by then keeps the verdict from the start.
        let _ = tokio::time::timeout(PATIENCE, gather).await;
        urls.iter().cloned().zip(verdicts).collect()
    }
}

async fn look_at(outward: &Outward, url: &str) -> Verdict {
    let target = match Target::read_even_plain(url, outward.reach()) {
        Ok(target) => target,
        Err(TargetError::Scheme { .. }) => return Verdict::NotAsked("only http and https are"),
        Err(error) => return Verdict::Silent(error.to_string()),
    };
    let connection = match outward.connect(&target).await {
        Ok(connection) => connection,
        Err(error) => return Verdict::Silent(error.to_string()),
    };
    match connection.get().await {
        Err(error) => Verdict::Silent(error.to_string()),
        Ok(answer) if answer.is_success() => Verdict::Answers,
        Ok(answer) if answer.is_redirect() => Verdict::Moved(answer.status),
        Ok(answer) if matches!(answer.status, 404 | 410) => Verdict::Gone(answer.status),
        Ok(answer) => Verdict::Refuses(answer.status),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use channels::outward::Reach;
    use std::io::{Read, Write};
    use std::net::TcpListener;

    /// A shop's site: `/there` is a page, `/moved` leads on, `/private` wants a password, anything else is gone.
    fn site() -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        std::thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                let mut request = [0; 4_096];
                let read = stream.read(&mut request).unwrap_or(0);
                let request = String::from_utf8_lossy(&request[..read]).into_owned();
                let status = match request.split(' ').nth(1).unwrap_or_default() {
                    "/there?a=1" => "200 OK",
                    "/moved" => "302 Found",
                    "/private" => "403 Forbidden",
                    _ => "404 Not Found",
                };
                let _ = write!(stream, "HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n");
            }
        });
        port
    }

    #[test]
    fn links_that_lead_nowhere_are_found_before_a_customer_finds_them() {
        let port = site();
        let reach = Reach::new(&["127.0.0.1".to_owned()], &[]).unwrap();
        let check = LinkCheck::new(Outward::new(reach, None).unwrap());
        let urls: Vec<String> = ["/there?a=1", "/moved", "/private", "/nowhere"]
            .iter()
            .map(|path| format!("http://127.0.0.1:{port}{path}"))
            .chain(["mailto:hello@tea.example".to_owned(), "not a link".to_owned()])
            .collect();
        let verdicts: Vec<Verdict> = check.look(&urls).unwrap().into_iter().map(|(_, verdict)| verdict).collect();
        assert_eq!(
            verdicts[..5],
            [
                Verdict::Answers,
                Verdict::Moved(302),
                Verdict::Refuses(403),
                Verdict::Gone(404),
                Verdict::NotAsked("only http and https are"),
            ]
        );
        assert!(matches!(&verdicts[5], Verdict::Silent(reason) if reason.contains("is no URL")), "{verdicts:?}");
        assert!(check.look(&[]).unwrap().is_empty());
    }

    #[test]
    fn a_link_into_our_own_network_is_not_followed() {
        let check = LinkCheck::new(Outward::new(Reach::default(), None).unwrap());
        let urls = [format!("http://127.0.0.1:{}/there", site()), "http://169.254.169.254/latest".to_owned()];
        for (url, verdict) in check.look(&urls).unwrap() {
            assert!(
                matches!(&verdict, Verdict::Silent(reason) if reason.contains("nothing may be sent")),
                "{url}: {verdict}"
            );
        }
        let many: Vec<String> = (0..45).map(|n| format!("ftp://tea.example/{n}")).collect();
        let verdicts = check.look(&many).unwrap();
        assert_eq!(
            verdicts.iter().filter(|(_, verdict)| *verdict == Verdict::NotAsked("there are too many")).count(),
            5
        );
    }
}
