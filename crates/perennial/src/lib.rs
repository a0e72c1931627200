//! Perennial: one binary that turns the data a company holds into customers who come back.
//! This crate knows HTTP, HTML, files and the command line; what is decided is decided in `engine`.

pub mod api;
pub mod builder;
pub mod cli;
pub mod client;
mod committer;
pub mod config;
pub mod connections;
pub mod consignment;
pub mod demo;
pub mod dry_run;
pub mod erase;
pub mod gallery;
pub mod history;
pub mod keys;
pub mod languages;
mod link_check;
pub mod notifications;
pub mod pace;
pub mod pages;
pub mod post;
pub mod questions;
pub mod runtime;
pub mod serve;
pub mod snapshot;
pub mod texts;
pub mod views;
mod ways;
pub mod webhooks;
mod writer;
