#!/usr/bin/env python3
"""The numbers that crates/perennial/tests/it/commands.rs expects of Online Retail, found without any code of ours.

    python3 e2e/online_retail_numbers.py ../shared/data/online_retail_I_full.csv.gz

An order is the lines of one invoice and customer; its time is that of its earliest line, read as UTC; an invoice whose
number begins with C is a refund. Windows are half open as in spec/segments.md: (now - d, now]."""
import csv, gzip, sys
from collections import defaultdict
from datetime import datetime, timedelta
from decimal import Decimal

orders = {}
rows = without_customer = 0
for row in csv.DictReader(gzip.open(sys.argv[1], "rt", encoding="utf-8")):
    rows += 1
    if not row["CustomerID"]:
        without_customer += 1
        continue
    customer = str(int(float(row["CustomerID"])))
    key = (row["InvoiceNo"], customer)
    at = datetime.fromisoformat(row["InvoiceDate"])
    value = Decimal(row["Quantity"]) * Decimal(row["UnitPrice"])
    before = orders.get(key)
    orders[key] = (min(at, before[0]), before[1] + value) if before else (at, value)

bought, refunded = defaultdict(list), defaultdict(list)
for (invoice, customer), (at, value) in orders.items():
    (refunded if invoice.startswith("C") else bought)[customer].append((at, value))
everyone = set(bought) | set(refunded)
flat = lambda events: [one for list_ in events.values() for one in list_]
print("rows", rows, "no customer", without_customer, "customers", len(everyone))
print("orders", len(flat(bought)), sum(value for _, value in flat(bought)), "refunds", len(flat(refunded)), -sum(value for _, value in flat(refunded)))

first_seen = {customer: min(at for at, _ in bought[customer] + refunded[customer]) for customer in everyone}
days = lambda n: timedelta(days=n)
for text in ["2011-03-01 00:00:00", "2011-06-01 00:00:00", "2011-11-15 12:00:00", "2011-12-09 12:50:00"]:
    now = datetime.fromisoformat(text)
    inside = lambda events, n: [one for one in events if now - days(n) < one[0] <= now]
    exists = [customer for customer in everyone if first_seen[customer] <= now]
    regulars = [c for c in exists if len(inside(bought[c], 180)) >= 3]
    lapsed = [c for c in exists if len(inside(bought[c], 365)) >= 2 and not inside(bought[c], 60)]
    spenders = [c for c in exists if sum(value for _, value in inside(bought[c], 365)) >= 1000]
    refunders = [c for c in exists if len(inside(refunded[c], 90)) >= 1]
    print(now.isoformat() + "Z", "everyone", len(exists), "regulars", len(regulars), "lapsed", len(lapsed), "spenders", len(spenders), "refunders", len(refunders))
