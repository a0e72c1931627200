//! What comes back from other mail servers, as they write it.

use channels::{Report, ReportError, ReportKind};
use proptest::prelude::*;

const TOKEN: &str = "bounces+abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwx@tea.example";

/// A notice as Postfix writes it, about a mail that it returns.
fn notice(action: &str, status: &str, diagnostic: &str) -> String {
    format!(
        "Return-Path: <>\r\nFrom: MAILER-DAEMON@mx.example (Mail Delivery System)\r\nTo: {TOKEN}\r\n\
         Subject: Undelivered Mail Returned to Sender\r\nMIME-Version: 1.0\r\n\
         Content-Type: multipart/report; report-type=delivery-status;\r\n\tboundary=\"A1/mx.example\"\r\n\r\n\
         This is a MIME-encapsulated message.\r\n\r\n--A1/mx.example\r\nContent-Description: Notification\r\n\
         Content-Type: text/plain; charset=us-ascii\r\n\r\nI'm sorry to have to inform you\r\n\r\n--A1/mx.example\r\n\
         Content-Description: Delivery report\r\nContent-Type: message/delivery-status\r\n\r\n\
         Reporting-MTA: dns; mx.example\r\nX-Postfix-Queue-ID: 4X\r\nArrival-Date: Thu, 1 Jan 2026 10:00:00 +0000\r\n\r\n\
         Final-Recipient: rfc822; ana@shop.example\r\nOriginal-Recipient: rfc822;Ana@shop.example\r\nAction: {action}\r\n\
         Status: {status}\r\nRemote-MTA: dns; mail.shop.example\r\nDiagnostic-Code: smtp; {diagnostic}\r\n\r\n\
         --A1/mx.example\r\nContent-Description: Undelivered Message\r\nContent-Type: message/rfc822\r\n\r\n\
         Return-Path: <{TOKEN}>\r\nFrom: The Tea House <hello@tea.example>\r\nTo: Ana <Ana@shop.example>\r\n\
         Subject: Your tea\r\nMessage-ID: <m_abcdefghijklmnopqrstuvwxyz@tea.example>\r\n\r\nHello Ana\r\n\
         --A1/mx.example--\r\n"
    )
}

fn read(mail: &str) -> Report {
    Report::read(mail.as_bytes()).unwrap()
}

#[test]
fn a_notice_says_what_became_of_which_mail() {
    let report = read(&notice("failed", "5.1.1", "550 5.1.1 <ana@shop.example>: no\r\n    such user"));
    assert_eq!(report.kind, ReportKind::HardBounce);
    assert_eq!(report.recipient.as_deref(), Some("Ana@shop.example"), "as it was when it left us");
    assert_eq!(report.status.unwrap().to_string(), "5.1.1");
    assert_eq!(report.words, "550 5.1.1 <ana@shop.example>: no such user");
    assert_eq!(report.return_paths, [TOKEN, TOKEN]);
    assert_eq!(report.mail_ids, ["m_abcdefghijklmnopqrstuvwxyz@tea.example"]);
}

#[test]
fn only_what_is_lasting_and_about_the_address_is_a_hard_bounce() {
    for (action, status, kind) in [
        ("failed", "5.1.1", ReportKind::HardBounce),
        ("Failed", "5.1.10", ReportKind::HardBounce),
        ("failed", "5.2.1", ReportKind::HardBounce),
        ("failed", "5.4.4", ReportKind::HardBounce),
        ("failed", "5.0.0 (nothing more is known)", ReportKind::HardBounce),
        ("failed", "unheard of", ReportKind::HardBounce),
        ("failed", "5.2.2", ReportKind::SoftBounce),
        ("failed", "5.7.1", ReportKind::SoftBounce),
        ("failed", "5.1.8", ReportKind::SoftBounce),
        ("failed", "5.6.0", ReportKind::SoftBounce),
        ("failed", "4.4.1", ReportKind::SoftBounce),
        ("delayed", "4.4.1", ReportKind::Delayed),
        ("delivered", "2.0.0", ReportKind::Delivered),
        ("relayed", "2.0.0", ReportKind::Delivered),
        ("danced", "5.1.1", ReportKind::Other),
    ] {
        assert_eq!(read(&notice(action, status, "550 no")).kind, kind, "{action} {status}");
    }
}

#[test]
fn of_several_recipients_the_one_that_failed_counts() {
    let two = "Final-Recipient: rfc822; ben@shop.example\r\nAction: delivered\r\nStatus: 2.0.0\r\n\r\nFinal-Recipient: rfc822;";
    let report = read(&notice("failed", "5.1.1", "550 no").replace("Final-Recipient: rfc822;", two));
    assert_eq!(report.kind, ReportKind::HardBounce);
    assert_eq!(report.recipient.as_deref(), Some("Ana@shop.example"));
}

#[test]
fn a_complaint_is_told_from_other_feedback() {
    let feedback = |kind: &str, returned: &str| {
        format!(
            "From: <abuse@provider.example>\nTo: <abuse@tea.example>\nSubject: FW: Your tea\nMIME-Version: 1.0\n\
             Content-Type: multipart/report; report-type=feedback-report; boundary=\"part\"\n\n--part\n\
             Content-Type: text/plain\n\nThis is an email abuse report\n\n--part\nContent-Type: message/feedback-report\n\n\
             Feedback-Type: {kind}\nUser-Agent: SomeGenerator/1.0\nVersion: 1\nOriginal-Mail-From: <{TOKEN}>\n\
             Original-Rcpt-To: <ana@shop.example>\n\n--part\nContent-Type: {returned}\n\n\
             From: <hello@tea.example>\nMessage-ID: <m_abcdefghijklmnopqrstuvwxyz@tea.example>\nSubject: Your tea\n\nHello\n\n--part--\n"
        )
    };
    for returned in ["message/rfc822", "text/rfc822-headers"] {
        let report = read(&feedback("abuse", returned));
        assert_eq!((report.kind, report.words.as_str()), (ReportKind::Complaint, "abuse"));
        assert_eq!(report.recipient.as_deref(), Some("ana@shop.example"));
        assert_eq!(report.return_paths, ["abuse@tea.example", TOKEN]);
        assert_eq!(report.mail_ids, ["m_abcdefghijklmnopqrstuvwxyz@tea.example"]);
    }
    assert_eq!(read(&feedback("not-spam", "message/rfc822")).kind, ReportKind::Other);
    assert_eq!(read(&feedback("auth-failure", "message/rfc822")).kind, ReportKind::Other);
}

#[test]
fn what_is_no_report_is_read_as_nothing_and_no_mail_is_refused() {
    let away = read(
        "Subject: Away\u{7} until Monday\r\nIn-Reply-To: <m_abcdefghijklmnopqrstuvwxyz@tea.example>\r\n\r\nHello\r\n",
    );
    assert_eq!((away.kind, away.words.as_str()), (ReportKind::Other, "Away  until Monday"));
    assert_eq!(away.mail_ids, ["m_abcdefghijklmnopqrstuvwxyz@tea.example"]);
    assert!(matches!(Report::read(b""), Err(ReportError::NotAMail { .. })));
    let large = vec![b'x'; channels::MAX_REPORT_OCTETS + 1];
    assert!(matches!(Report::read(&large), Err(ReportError::TooLarge { .. })));
}

#[test]
fn parts_in_parts_and_clues_without_end_are_bounded() {
    let mut deep = String::from("Subject: deep\r\n");
    for level in 0..200 {
        deep.push_str(&format!("Content-Type: multipart/mixed; boundary=\"b{level}\"\r\n\r\n--b{level}\r\n"));
    }
    // Read, or refused: never an overflow.
    let _ = Report::read(deep.as_bytes());
    let many = format!("To: {}\r\nSubject: x\r\n\r\n", vec!["a+b@tea.example"; 5_000].join(", "));
    assert!(read(&many).return_paths.len() <= 20);
    let ids = format!("References: {}\r\nSubject: x\r\n\r\n", "<a@b> ".repeat(5_000));
    assert!(read(&ids).mail_ids.len() <= 20);
    let long = format!("To: {}@tea.example\r\nSubject: {}\r\n\r\n", "a".repeat(5_000), "y".repeat(5_000));
    let report = read(&long);
    assert!(report.return_paths.is_empty() && report.words.len() <= 500);
    assert!(!format!("{:?}", read(&notice("failed", "5.1.1", "no ana@shop.example"))).contains("ana@"), "not for logs");
}

proptest! {
    #[test]
    fn nothing_that_is_sent_back_is_a_panic(mail in proptest::collection::vec(any::<u8>(), 0..2_000)) {
        let _ = Report::read(&mail);
    }

    #[test]
    fn a_notice_of_odd_parts_is_read(action in ".{0,40}", status in ".{0,40}", diagnostic in "(?s).{0,200}") {
        if let Ok(report) = Report::read(notice(&action, &status, &diagnostic).as_bytes()) {
            prop_assert!(!report.words.chars().any(char::is_control));
            prop_assert!(report.words.chars().count() <= 500);
        }
    }
}
