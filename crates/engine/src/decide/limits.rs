//! Caps and quiet hours: pure questions of the gate.

use domain::MessageId;
use domain::message::Channel;
use domain::time::add_days;
use domain::workspace::{Cap, CapWindow, QuietHours, marketing, service};
use domain::{Name, Span, Timestamp, Zone};

/// A message that counts for caps: sent, uncertain, or on its way.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Mark {
    /// When it went, or was let through.
    pub at: Timestamp,
    /// Which.
    pub message: MessageId,
    /// Of which campaign.
    pub campaign: Name,
    /// For which purpose.
    pub purpose: Name,
    /// On which channel.
    pub channel: Channel,
    /// Whether it went.
    pub kind: MarkKind,
}

/// Whether a message that counts for caps went.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MarkKind {
    /// It went.
    Gone,
    /// It is let through but not sent yet: it counts until it is, however long that takes.
    OnItsWay,
    /// It would have gone: counts for its own campaign's cap alone.
    Withheld,
}

/// The answer of a cap.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CapAnswer {
    /// There is room.
    Free,
    /// Used up until an instant; `by_others_now`: there would be room without the other messages of this instant.
    Full {
        /// When room comes back.
        until: Timestamp,
        /// Only messages that went at this very instant are in the way.
        by_others_now: bool,
    },
}

/// Who asks a cap.
#[derive(Clone, Copy, Debug)]
pub struct Asking<'a> {
    /// The message's campaign.
    pub campaign: &'a Name,
    /// Its purpose.
    pub purpose: &'a Name,
    /// Its channel.
    pub channel: Channel,
    /// The customer's zone.
    pub zone: &'a Zone,
    /// The instant.
    pub now: Timestamp,
}

/// Asks one cap. `own`: it is the campaign's own. A workspace's cap without purpose means marketing.
pub fn ask_cap(cap: &Cap, own: bool, marks: &[Mark], asking: Asking<'_>) -> CapAnswer {
    if !concerns(cap, own, asking) {
        return CapAnswer::Free;
    }
    let inside = counted(cap, own, marks, asking);
    let limit = cap.at_most as usize;
    if inside.len() < limit {
        return CapAnswer::Free;
    }
    let now_only = inside.iter().filter(|at| **at == asking.now).count();
    // Room comes back when so many have left that one more fits; with a cap of none it never does.
    let until = match limit.checked_sub(1) {
        Some(_) => inside.get(inside.len() - limit).map_or(domain::time::LATEST, |at| leaves(cap, *at, asking.zone)),
        None => domain::time::LATEST,
    };
    CapAnswer::Full { until, by_others_now: limit > 0 && inside.len() - now_only < limit }
}

/// Asks whether a customer who wants one message in a span at most may get this one: whatever it is about but service, on
/// whichever channel.
pub fn ask_wish(span: Span, marks: &[Mark], asking: Asking<'_>) -> CapAnswer {
    if *asking.purpose == service() {
        return CapAnswer::Free;
    }
    // To somebody who wants to hear little it does not matter what it is about.
    let alike = |mark: &Mark| Mark { purpose: asking.purpose.clone(), ..mark.clone() };
    let theirs: Vec<Mark> = marks.iter().filter(|mark| mark.purpose != service()).map(alike).collect();
    let cap = Cap { purpose: Some(asking.purpose.clone()), channel: None, at_most: 1, window: CapWindow::Per(span) };
    ask_cap(&cap, false, &theirs, asking)
}

/// Whether a cap is asked about the message at all.
pub fn concerns(cap: &Cap, own: bool, asking: Asking<'_>) -> bool {
    let other_purpose = match (&cap.purpose, own) {
        (Some(purpose), _) => purpose != asking.purpose,
        (None, true) => false,
        (None, false) => *asking.purpose != marketing(),
    };
    !other_purpose && cap.channel.is_none_or(|channel| channel == asking.channel)
}

/// When the messages went that count for a cap now, ascending.
pub fn counted(cap: &Cap, own: bool, marks: &[Mark], asking: Asking<'_>) -> Vec<Timestamp> {
    let default = marketing();
    let purpose = match (&cap.purpose, own) {
        (Some(purpose), _) => Some(purpose),
        (None, true) => None,
        (None, false) => Some(&default),
    };
    let counts = |mark: &&Mark| {
        let meant = if own {
            mark.campaign == *asking.campaign
        } else {
            mark.kind != MarkKind::Withheld && purpose.is_none_or(|purpose| *purpose == mark.purpose)
        };
        meant && cap.channel.is_none_or(|channel| channel == mark.channel) && mark.at <= asking.now
    };
    let mut inside: Vec<Timestamp> =
        marks.iter().filter(counts).filter_map(|mark| counts_from(cap, mark, asking)).collect();
    inside.sort_unstable();
    inside
}

/// From when on a mark counts, if it still does. One on its way goes at the earliest now.
fn counts_from(cap: &Cap, mark: &Mark, asking: Asking<'_>) -> Option<Timestamp> {
    let is_inside = leaves(cap, mark.at, asking.zone) > asking.now;
    // A moment before now: it did not get through at this instant.
    let just_before = asking.now.minus(Span(1));
    if is_inside { Some(mark.at) } else { (mark.kind == MarkKind::OnItsWay).then_some(just_before) }
}

/// When a message that went at an instant no longer counts.
fn leaves(cap: &Cap, at: Timestamp, zone: &Zone) -> Timestamp {
    match cap.window {
        CapWindow::Per(span) => at.plus(span),
        CapWindow::PerDays(days) => zone.start_of_day(add_days(zone.date(at), i64::from(days))),
    }
}

/// When quiet hours end, if they hold for the purpose at this instant in the customer's zone.
pub fn quiet_until(hours: &QuietHours, purpose: &Name, zone: &Zone, now: Timestamp) -> Option<Timestamp> {
    if !hours.purposes.contains(purpose) {
        return None;
    }
    let local = zone.local(now);
    let time = local.time();
    let over_midnight = hours.from > hours.to;
    let quiet =
        if over_midnight { time >= hours.from || time < hours.to } else { hours.from <= time && time < hours.to };
    if !quiet {
        return None;
    }
    let mut end = zone.at(local.date().to_datetime(hours.to));
    if end <= now {
        end = zone.at(add_days(local.date(), 1).to_datetime(hours.to));
    }
    Some(end)
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::time;
    use std::sync::Arc;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).unwrap()
    }

    fn name(text: &str) -> Name {
        Name::parse(text).unwrap()
    }

    fn mark(when: &str, campaign: &str) -> Mark {
        Mark {
            at: at(when),
            message: MessageId(Arc::from("m")),
            campaign: name(campaign),
            purpose: marketing(),
            channel: Channel::Email,
            kind: MarkKind::Gone,
        }
    }

    #[test]
    fn quiet_hours_end_at_eight_by_the_new_clock() {
        let hours = QuietHours { from: time(21, 0, 0, 0), to: time(8, 0, 0, 0), purposes: vec![marketing()] };
        let london = Zone::find("Europe/London").unwrap();
        assert_eq!(
            quiet_until(&hours, &marketing(), &london, at("2026-03-28T23:00:00Z")),
            Some(at("2026-03-29T07:00:00Z"))
        );
        assert_eq!(quiet_until(&hours, &marketing(), &london, at("2026-03-29T07:00:00Z")), None);
        let york = Zone::find("America/New_York").unwrap();
        assert_eq!(
            quiet_until(&hours, &marketing(), &york, at("2026-11-01T03:00:00Z")),
            Some(at("2026-11-01T13:00:00Z"))
        );
        assert_eq!(quiet_until(&hours, &domain::workspace::service(), &york, at("2026-11-01T03:00:00Z")), None);
    }

    #[test]
    fn a_cap_is_half_open_and_says_when_there_is_room_again() {
        let cap = Cap { purpose: None, channel: None, at_most: 2, window: CapWindow::Per(Span::days(7)) };
        let marks = [mark("2026-03-01T10:00:00Z", "a"), mark("2026-03-03T10:00:00Z", "b")];
        let ask = |now: &str| {
            let (campaign, purpose, zone) = (name("c"), marketing(), Zone::utc());
            ask_cap(
                &cap,
                false,
                &marks,
                Asking { campaign: &campaign, purpose: &purpose, channel: Channel::Email, zone: &zone, now: at(now) },
            )
        };
        assert_eq!(
            ask("2026-03-04T10:00:00Z"),
            CapAnswer::Full { until: at("2026-03-08T10:00:00Z"), by_others_now: false }
        );
        assert_eq!(ask("2026-03-08T10:00:00Z"), CapAnswer::Free);
    }

    #[test]
    fn messages_of_the_same_instant_are_told_from_earlier_ones() {
        let cap = Cap { purpose: None, channel: None, at_most: 1, window: CapWindow::PerDays(1) };
        let marks = [mark("2026-03-01T10:00:00Z", "a")];
        let (campaign, purpose, zone) = (name("c"), marketing(), Zone::utc());
        let answer = ask_cap(
            &cap,
            false,
            &marks,
            Asking {
                campaign: &campaign,
                purpose: &purpose,
                channel: Channel::Email,
                zone: &zone,
                now: at("2026-03-01T10:00:00Z"),
            },
        );
        assert_eq!(answer, CapAnswer::Full { until: at("2026-03-02T00:00:00Z"), by_others_now: true });
    }
}
