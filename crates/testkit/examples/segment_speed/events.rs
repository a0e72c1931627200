//! The events of the shared bench, read from its Parquet files and put into the order in which they happened.

use crate::Result;
use domain::{Call, CallKind, Timestamp, Trust};
use parquet::column::reader::get_typed_column_reader;
use parquet::data_type::{ByteArray, ByteArrayType, DataType, DoubleType, Int32Type, Int64Type};
use parquet::file::reader::{FileReader, RowGroupReader, SerializedFileReader};
use serde_json::value::RawValue;
use std::collections::HashMap;
use std::fmt::Write;
use std::path::Path;
use std::sync::Arc;

/// One event, small: twenty million of them are in memory.
pub(crate) struct Event {
    pub(crate) at: Timestamp,
    pub(crate) customer: u32,
    session: i64,
    order: Option<i64>,
    revenue: Option<f64>,
    product: Option<i32>,
    quantity: Option<i32>,
    event: u16,
    category: Option<u16>,
    device: Option<u16>,
    campaign: Option<u16>,
}

/// Events in order, with the words that they name by number.
pub(crate) struct Events {
    pub(crate) all: Vec<Event>,
    words: Vec<Arc<str>>,
    customers: Vec<Arc<str>>,
    source: Arc<str>,
    /// Their messageIds begin with it.
    id: String,
}

#[derive(Default)]
struct Words {
    known: HashMap<Vec<u8>, u16>,
    all: Vec<Arc<str>>,
}

impl Words {
    fn number(&mut self, word: &ByteArray) -> Result<u16> {
        if let Some(known) = self.known.get(word.data()) {
            return Ok(*known);
        }
        let number = u16::try_from(self.all.len())?;
        self.known.insert(word.data().to_vec(), number);
        self.all.push(word.as_utf8()?.into());
        Ok(number)
    }
}

/// Reads all parts.
pub(crate) fn read(data: &Path) -> Result<Events> {
    let mut paths: Vec<_> =
        std::fs::read_dir(data.join("events"))?.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
    paths.sort();
    let (mut all, mut words) = (Vec::new(), Words::default());
    for path in paths {
        let file = SerializedFileReader::new(std::fs::File::open(path)?)?;
        for group in 0..file.num_row_groups() {
            read_group(&*file.get_row_group(group)?, &mut words, &mut all)?;
        }
    }
    all.sort_by_key(|event| (event.at, event.customer));
    let most = all.iter().map(|event| event.customer).max().unwrap_or(0);
    let customers = (0..=most).map(|customer| format!("u{customer}").into()).collect();
    Ok(Events { all, words: words.all, customers, source: "bench".into(), id: "e".to_owned() })
}

fn read_group(group: &dyn RowGroupReader, words: &mut Words, all: &mut Vec<Event>) -> Result<()> {
    let place = |name: &str| {
        let columns = group.metadata().schema_descr().columns();
        columns.iter().position(|column| column.name() == name).ok_or_else(|| format!("there is no column `{name}`"))
    };
    let customers = column::<Int64Type>(group, place("customer_id")?)?;
    let times = column::<Int64Type>(group, place("ts")?)?;
    let sessions = column::<Int64Type>(group, place("session_id")?)?;
    let orders = column::<Int64Type>(group, place("order_id")?)?;
    let revenues = column::<DoubleType>(group, place("revenue")?)?;
    let products = column::<Int32Type>(group, place("product_id")?)?;
    let quantities = column::<Int32Type>(group, place("quantity")?)?;
    let mut texts = |name: &str| -> Result<Vec<Option<u16>>> {
        let texts = column::<ByteArrayType>(group, place(name)?)?;
        texts.iter().map(|text| text.as_ref().map(|text| words.number(text)).transpose()).collect()
    };
    let (events, categories) = (texts("event")?, texts("category")?);
    let (devices, campaigns) = (texts("device")?, texts("campaign")?);
    for row in 0..customers.len() {
        all.push(Event {
            at: Timestamp(times[row].ok_or("an event without a time")?.div_euclid(1_000)),
            customer: u32::try_from(customers[row].ok_or("an event of nobody")?)?,
            session: sessions[row].unwrap_or(0),
            order: orders[row],
            revenue: revenues[row],
            product: products[row],
            quantity: quantities[row],
            event: events[row].ok_or("an event without a name")?,
            category: categories[row],
            device: devices[row],
            campaign: campaigns[row],
        });
    }
    Ok(())
}

fn column<T: DataType>(group: &dyn RowGroupReader, place: usize) -> Result<Vec<Option<T::T>>> {
    let rows = usize::try_from(group.metadata().num_rows())?;
    let mut reader = get_typed_column_reader::<T>(group.get_column_reader(place)?);
    let (mut values, mut levels) = (Vec::new(), Vec::new());
    let mut read = 0;
    while read < rows {
        let (records, ..) = reader.read_records(rows - read, Some(&mut levels), None, &mut values)?;
        if records == 0 {
            return Err("a column ends before the others".into());
        }
        read += records;
    }
    let is_required = levels.is_empty();
    let mut values = values.into_iter();
    Ok((0..rows).map(|row| if is_required || levels[row] > 0 { values.next() } else { None }).collect())
}

impl Events {
    /// The last `count` of them again, as if they happened anew from an instant on, in the same order and at the same
    /// distances. `id`: what their messageIds begin with.
    pub(crate) fn again(mut self, count: usize, from: Timestamp, id: String) -> Events {
        self.all.drain(..self.all.len().saturating_sub(count));
        let first = self.all.first().map_or(from, |event| event.at);
        self.all.iter_mut().for_each(|event| event.at = from.plus(event.at.since(first)));
        Events { id, ..self }
    }

    /// The call that such an event is, as a server sends it the moment it happens.
    pub(crate) fn call(&self, number: usize) -> Call {
        let event = &self.all[number];
        let word = |word: u16| &self.words[usize::from(word)];
        let mut body = String::with_capacity(160);
        let _ = write!(body, "{{\"session_id\":{}", event.session);
        for (key, text) in [("category", event.category), ("device", event.device), ("campaign", event.campaign)] {
            if let Some(text) = text {
                let _ = write!(body, ",\"{key}\":\"{}\"", word(text));
            }
        }
        let numbers = [
            ("product_id", event.product.map(i64::from)),
            ("quantity", event.quantity.map(i64::from)),
            ("order_id", event.order),
        ];
        for (key, number) in numbers {
            if let Some(number) = number {
                let _ = write!(body, ",\"{key}\":{number}");
            }
        }
        if let Some(revenue) = event.revenue {
            let _ = write!(body, ",\"revenue\":{revenue:.2}");
        }
        body.push('}');
        Call {
            kind: CallKind::Track,
            message_id: format!("{}{number}", self.id).into(),
            user_id: Some(self.customers[event.customer as usize].clone()),
            anonymous_id: None,
            other_id: None,
            event: Some(word(event.event).clone()),
            timestamp: event.at,
            received_at: event.at,
            source: self.source.clone(),
            trust: Trust::Server,
            record: None,
            body: RawValue::from_string(body).expect("it was just made as JSON").into(),
            context: None,
        }
    }
}
