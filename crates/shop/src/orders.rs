//! Orders and their money, exact in pence: lines, discount, shipping, tax, total.

use crate::calls::Object;
use crate::catalogue::{Family, Product};

/// A product in a quantity.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    pub(crate) product: &'static Product,
    pub(crate) quantity: u32,
}

impl Line {
    fn pence(&self) -> i64 {
        self.product.price_pence * i64::from(self.quantity)
    }
}

/// What is taken off the price of the goods.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Discount {
    Nothing,
    /// The coupon of the "10 % off" message.
    TenPercent,
}

/// A completed order.
#[derive(Clone, Debug)]
pub(crate) struct Order {
    pub(crate) id: String,
    pub(crate) time_ms: i64,
    pub(crate) lines: Vec<Line>,
    pub(crate) discount: Discount,
    /// The subscription whose monthly box this is.
    pub(crate) subscription: Option<String>,
}

const SHIPPING_PENCE: i64 = 3_50;
const SHIPPING_FREE_FROM_PENCE: i64 = 35_00;
/// Tea is food, which bears no VAT; wares bear the full rate.
const TAX_ON_WARES_PERCENT: i64 = 20;

impl Order {
    fn tea_pence(&self) -> i64 {
        self.lines.iter().filter(|line| line.product.family != Family::Ware).map(Line::pence).sum()
    }

    fn ware_pence(&self) -> i64 {
        self.lines.iter().filter(|line| line.product.family == Family::Ware).map(Line::pence).sum()
    }

    /// Taken off tea and wares apart, each rounded down, since tax is due on discounted wares.
    fn discount_pence(&self) -> i64 {
        match self.discount {
            Discount::Nothing => 0,
            Discount::TenPercent => self.tea_pence() / 10 + self.ware_pence() / 10,
        }
    }

    /// Segment's `revenue`: goods less discount, without shipping and tax.
    pub(crate) fn revenue_pence(&self) -> i64 {
        self.tea_pence() + self.ware_pence() - self.discount_pence()
    }

    fn shipping_pence(&self) -> i64 {
        let is_free = self.subscription.is_some() || self.revenue_pence() >= SHIPPING_FREE_FROM_PENCE;
        if is_free { 0 } else { SHIPPING_PENCE }
    }

    /// Rounded to the nearest penny, halves up.
    fn tax_pence(&self) -> i64 {
        let taxed = match self.discount {
            Discount::Nothing => self.ware_pence(),
            Discount::TenPercent => self.ware_pence() - self.ware_pence() / 10,
        };
        (taxed * TAX_ON_WARES_PERCENT + 50) / 100
    }

    /// Segment's `total`: revenue, shipping and tax.
    pub(crate) fn total_pence(&self) -> i64 {
        self.revenue_pence() + self.shipping_pence() + self.tax_pence()
    }

    pub(crate) fn write(&self, properties: &mut Object<'_>) {
        properties.text("order_id", &self.id);
        properties.money("revenue", self.revenue_pence());
        properties.money("shipping", self.shipping_pence());
        properties.money("tax", self.tax_pence());
        properties.money("discount", self.discount_pence());
        properties.money("total", self.total_pence());
        properties.text("currency", "GBP");
        if self.discount == Discount::TenPercent {
            properties.text("coupon", "TEN");
        }
        if let Some(subscription) = &self.subscription {
            properties.text("subscription", subscription);
        }
        properties.list("products", &self.lines, |object, line| {
            write_product(object, line.product);
            object.number("quantity", line.quantity);
        });
    }
}

pub(crate) fn write_product(object: &mut Object<'_>, product: &Product) {
    object.text("product_id", product.sku);
    object.text("sku", product.sku);
    object.text("name", product.name);
    object.text("category", product.family.category());
    object.money("price", product.price_pence);
}
