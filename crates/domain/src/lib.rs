//! The words and units of the business: ids, time, money, what a customer did, and the
//! definitions people write. No I/O, no clock, no SQL, no HTTP.

pub mod call;
pub mod campaign;
pub mod definition;
pub mod id;
pub mod language;
pub mod message;
pub mod money;
pub mod rate;
pub mod schedule;
pub mod schema;
pub mod segment;
pub mod shape;
pub mod time;
pub mod value;
pub mod workspace;

pub use call::{Call, CallKind, Source, Trust};
pub use campaign::Campaign;
pub use definition::{Definition, DefinitionError, DefinitionKind};
pub use id::{CustomerId, MessageId, Name, Position};
pub use money::{Currency, Money};
pub use rate::Percent;
pub use segment::{Condition, Segment};
pub use time::{Span, Timestamp, Zone};
pub use value::{Path, Test, Tests};
pub use workspace::{Consent, Purpose, Settings, Template};
