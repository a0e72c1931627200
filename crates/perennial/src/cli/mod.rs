//! The command line, as `spec/cli.md` of the product says: what scripts rely on.

mod backup;
mod bounce;
mod dkim;
mod export;
mod files;
mod folder;
mod push;
mod query;
mod render;
mod show;
mod test;
mod tried;
mod vouchers;

use crate::client::{Client, Create, WrongUsage, exit_status};
use crate::config::Config;
use crate::serve::serve;
use anyhow::{Context, bail};
use clap::{CommandFactory, Parser, Subcommand};
use serde_json::{Value, json};
use std::io::{IsTerminal, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

/// Turns the data you already hold into customers who come back.
#[derive(Parser)]
#[command(name = "perennial", version, about, disable_help_subcommand = true)]
struct Cli {
    /// Where the data lies
    #[arg(long, global = true, env = "PERENNIAL_DATA_DIR", default_value = "./perennial-data", value_name = "DIR")]
    data_dir: PathBuf,
    /// A configuration file; see `perennial config show`
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print one JSON document on standard output, and nothing else there
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Start the server: pages, API and everything that happens by time
    Serve {
        /// Address and port, such as 127.0.0.1:7700
        #[arg(long, value_name = "ADDR")]
        listen: Option<SocketAddr>,
    },
    /// A simulated tea shop to look at: fills a fresh data directory and starts the server
    Demo {
        #[command(subcommand)]
        command: Option<DemoCommand>,
        /// Address and port of the server
        #[arg(long, value_name = "ADDR")]
        listen: Option<SocketAddr>,
        /// Only fill the directory
        #[arg(long)]
        no_serve: bool,
        /// The same seed and day give the same shop
        #[arg(long, default_value_t = 2026)]
        seed: u64,
        /// How many customers, from 10 to 1,000,000
        #[arg(long, default_value_t = 5_000, value_parser = clap::value_parser!(u32).range(10..=1_000_000))]
        customers: u32,
        /// Print what a perfect analyst would find
        #[arg(long)]
        answers: bool,
    },
    /// A new login link for the pages of the running server
    Login,
    /// Show or check the configuration
    Config {
        #[command(subcommand)]
        command: ConfigCommand,
    },
    /// Write keys: who may send what
    Keys {
        #[command(subcommand)]
        command: KeysCommand,
    },
    /// Mails that came back: bounces and complaints, from a mail server's pipe or a folder
    Bounce(bounce::Bounce),
    /// Keys that sign mails, and what DNS must say of them
    Dkim {
        #[command(subcommand)]
        command: dkim::DkimCommand,
    },
    /// The key for notifications in browsers
    Push {
        #[command(subcommand)]
        command: push::PushCommand,
    },
    /// Bring in files: CSV, JSON lines or Parquet
    Import(files::Import),
    /// What a folder or file of definitions would change
    Plan {
        /// A folder or a file
        path: PathBuf,
        /// Count on `apply --prune`
        #[arg(long)]
        prune: bool,
    },
    /// Put a folder or file of definitions in force
    Apply {
        /// A folder or a file
        path: PathBuf,
        /// Delete definitions that the folder lacks and nothing uses
        #[arg(long)]
        prune: bool,
        /// Overwrite what was changed on the server since the folder saw it
        #[arg(long)]
        force: bool,
    },
    /// Write the definitions in force into a folder
    Pull {
        /// The folder
        path: PathBuf,
    },
    /// Segments: who is meant
    Segments {
        #[command(subcommand)]
        command: SegmentsCommand,
    },
    /// Customers: one person each
    Customers {
        #[command(subcommand)]
        command: CustomersCommand,
    },
    /// Campaigns and what came of them
    Campaigns {
        #[command(subcommand)]
        command: CampaignsCommand,
    },
    /// Pools of vouchers whose codes come from elsewhere
    Vouchers {
        #[command(subcommand)]
        command: vouchers::VouchersCommand,
    },
    /// Every decision with its outcome and reason
    Decisions {
        /// Of one customer
        #[arg(long)]
        customer: Option<String>,
        /// Of one campaign
        #[arg(long)]
        campaign: Option<String>,
    },
    /// What a campaign would have done on the real past: sends nothing, changes nothing
    Simulate(tried::Simulate),
    /// A template as somebody would read it; exit status 1 where a message would be held
    Render(render::Render),
    /// Run scenario files: tests for segments and campaigns
    Test(test::Test),
    /// Ask anything in SQL; only reads
    Query(query::Query),
    /// Print the JSON Schema of what people write, for editors
    Schema {
        /// segment, campaign, scenario, mapping, purpose, template, workspace, or definition for any of them
        kind: String,
    },
    /// Write the data as files that any tool reads
    Export(export::Export),
    /// Copy everything that survives into one file, also while the server runs
    Backup {
        /// The file, which must not be there: such as perennial-2026-11-22.tar.zst
        file: PathBuf,
    },
    /// Bring a backup back, into a data directory that is empty or not there
    Restore {
        /// The file that `backup` wrote
        file: PathBuf,
    },
    /// Rebuild the live state from history and compare it with the one that was; exit status 1 if they differ
    Rebuild,
    /// Print completions for a shell
    Completions {
        /// bash, zsh, fish, elvish or powershell
        shell: clap_complete::Shell,
    },
}

#[derive(Subcommand)]
enum DemoCommand {
    /// Let time pass: customers act, and answer the messages they get
    Advance {
        /// How long, such as 14d
        span: String,
    },
}

#[derive(Subcommand)]
enum ConfigCommand {
    /// The defaults with a comment for each
    Show,
    /// Whether the configuration can be used
    Check,
}

#[derive(Subcommand)]
enum KeysCommand {
    /// Make a key; it is shown once
    Create {
        /// browser (public, behaviour only) or server (secret)
        #[arg(long, value_parser = ["browser", "server"])]
        kind: String,
        /// Name of the source, such as shop
        #[arg(long, default_value = "default", value_name = "NAME")]
        source: String,
    },
    /// All keys, without their secrets
    List,
    /// A key stops working at once
    Revoke {
        /// The key's id
        id: String,
    },
}

#[derive(Subcommand)]
enum SegmentsCommand {
    /// All segments with their sizes
    List,
    /// One segment's definition
    Show {
        /// Its name
        name: String,
    },
    /// How many belong
    Count {
        /// Its name
        name: String,
        /// At a past instant, such as 2026-01-31T09:00:00Z
        #[arg(long, value_name = "INSTANT")]
        as_of: Option<String>,
    },
    /// Who belongs
    Members {
        /// Its name
        name: String,
        /// At a past instant
        #[arg(long, value_name = "INSTANT")]
        as_of: Option<String>,
    },
    /// Its versions, the latest first, each with what it changed
    Versions {
        /// Its name
        name: String,
    },
    /// The lines by which two versions differ; the latest two where none are named
    Diff {
        /// Its name
        name: String,
        /// The earlier version
        #[arg(long, value_name = "N")]
        from: Option<u32>,
        /// The later version
        #[arg(long, value_name = "N")]
        to: Option<u32>,
    },
    /// Why somebody belongs, or not
    Why {
        /// The segment's name
        name: String,
        /// The customer: userId, anonymousId or internal id
        customer: String,
        /// At a past instant
        #[arg(long, value_name = "INSTANT")]
        as_of: Option<String>,
    },
}

#[derive(Subcommand)]
enum CustomersCommand {
    /// Everything known of one person
    Show {
        /// userId, anonymousId or internal id
        id: String,
        /// At a past instant
        #[arg(long, value_name = "INSTANT")]
        as_of: Option<String>,
    },
    /// What happened, in order
    Timeline {
        /// userId, anonymousId or internal id
        id: String,
    },
    /// Look for people by name, id or address
    Find {
        /// A part of it
        text: String,
    },
    /// These two are one person
    Merge {
        /// One
        a: String,
        /// The other
        b: String,
    },
    /// Take a person out of everything that is kept, for good
    Erase {
        /// userId, anonymousId or internal id
        id: String,
    },
    /// These two are two people after all
    Unmerge {
        /// One
        a: String,
        /// The other
        b: String,
    },
}

#[derive(Subcommand)]
enum CampaignsCommand {
    /// All campaigns with their numbers
    List,
    /// One campaign: definition, funnel, comparison
    Show {
        /// Its name
        name: String,
    },
    /// Start a new comparison: everybody is drawn anew, and what was learned until then is left behind
    CompareAnew {
        /// Its name
        name: String,
    },
    /// Before it starts: whom it reaches today and in a month, and what could be measured
    Preflight {
        /// Its name, or a file of definitions with one campaign
        campaign: String,
    },
}

/// How a command ended well.
enum Ended {
    /// Done.
    Yes,
    /// Done, and the answer is no: an expectation failed, rows were refused.
    No,
    /// Done as far as what was given makes sense; the answer says what does not.
    Wrong,
}

/// Reads the command line, does what it says, and gives the exit status.
pub fn run() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are no errors, and go to standard output.
            let status = if error.use_stderr() { 2 } else { 0 };
            let _ = error.print();
            return ExitCode::from(status);
        }
    };
    // What goes wrong in a scenario's pretended shop is what it is about; its failures say so.
    start_log(if matches!(cli.command, Command::Test { .. }) { "error" } else { "warn,perennial=info,engine=info" });
    let as_json = cli.json;
    match carry_out(cli) {
        Ok(Ended::Yes) => ExitCode::SUCCESS,
        Ok(Ended::No) => ExitCode::from(1),
        Ok(Ended::Wrong) => ExitCode::from(2),
        Err(error) => {
            eprintln!("perennial: {error:#}");
            if as_json {
                println!("{}", json!({ "error": format!("{error:#}") }));
            }
            ExitCode::from(exit_status(&error))
        }
    }
}

/// `usual`: what is written where `PERENNIAL_LOG` says nothing.
fn start_log(usual: &str) {
    let filter = tracing_subscriber::EnvFilter::try_from_env("PERENNIAL_LOG").unwrap_or_else(|_| usual.into());
    let colours = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(colours)
        .with_target(false)
        .init();
}

fn carry_out(cli: Cli) -> anyhow::Result<Ended> {
    let config = Config::read(cli.config.as_deref())?;
    let out = Out { json: cli.json };
    let dir = cli.data_dir;
    let client = |create| Client::connect(&dir, &config, create);
    match cli.command {
        Command::Serve { listen } => {
            let listen = listen.unwrap_or(config.server.listen);
            serve(&dir, &config, listen, |listening, open| {
                let customers = open.handle().read().customer_count();
                out.answer(
                    &json!({ "url": listening.url, "login": listening.login, "customers": customers }),
                    |print| {
                        writeln!(print, "Perennial is at {}", listening.url)?;
                        writeln!(print, "Log in with this link, once, within 15 minutes:\n  {}", listening.login)
                    },
                )
            })?;
        }
        Command::Demo { command: Some(DemoCommand::Advance { span }), .. } => {
            let answer =
                with(client(Create::No)?, |client| client.post("/api/demo/advance", &json!({ "span": span })))?;
            out.answer(&answer, |print| {
                writeln!(
                    print,
                    "It is now {}: {} events came in, {} messages went out.",
                    show::text(&answer, "now"),
                    answer["events"],
                    answer["sent"]
                )
            })?;
        }
        Command::Demo { answers: true, .. } => {
            let answer = with(client(Create::No)?, |client| client.get("/api/demo/answers"))?;
            out.document(&answer)?;
        }
        Command::Demo { listen, no_serve, seed, customers, .. } => {
            files::demo(&dir, &config, &out, listen, no_serve, seed, customers)?
        }
        Command::Login => {
            let client = client(Create::No)?;
            if !client.is_remote() {
                bail!("no server runs on {}; `perennial serve` prints a login link when it starts", dir.display());
            }
            let answer = with(client, |client| client.post("/api/login-link", &json!({})))?;
            out.answer(&answer, |print| writeln!(print, "{}", show::text(&answer, "url")))?;
        }
        Command::Config { command: ConfigCommand::Show } => print!("{}", crate::config::DEFAULTS),
        Command::Config { command: ConfigCommand::Check } => {
            // It was read above; what remains is what only starting would find.
            crate::ways::Ways::open(&config)?;
            out.answer(&json!({ "ok": true }), |print| writeln!(print, "the configuration can be used"))?;
        }
        Command::Keys { command } => keys(client(Create::Yes)?, &command, &out)?,
        Command::Bounce(asked) => bounce::bounce(&asked, || client(Create::No), &out)?,
        Command::Dkim { command } => dkim::dkim(command, &dir, &config, &out)?,
        Command::Push { command } => push::push(command, &dir, &config, &out)?,
        Command::Import(import) => {
            let client = || client(Create::Yes);
            return files::import(&import, client, &out);
        }
        Command::Plan { path, prune } => {
            let way = folder::Way::Plan { prune };
            return with(client(Create::Yes)?, |client| folder::send(client, &path, way, &out));
        }
        Command::Apply { path, prune, force } => {
            let way = folder::Way::Apply { prune, force };
            return with(client(Create::Yes)?, |client| folder::send(client, &path, way, &out));
        }
        Command::Pull { path } => with(client(Create::No)?, |client| folder::pull(client, &path, &out))?,
        Command::Segments { command } => segments(client(Create::No)?, &command, &out)?,
        Command::Customers { command } => customers(client(Create::No)?, &command, &out)?,
        Command::Campaigns { command } => campaigns(client(Create::No)?, &command, &out)?,
        Command::Vouchers { command } => {
            let create = if matches!(command, vouchers::VouchersCommand::List) { Create::No } else { Create::Yes };
            return with(client(create)?, |client| vouchers::vouchers(client, &command, &out));
        }
        Command::Decisions { customer, campaign } => {
            if customer.is_none() && campaign.is_none() {
                return Err(WrongUsage("say whose: --customer ID or --campaign NAME".to_owned()).into());
            }
            let mut path = "/api/decisions?".to_owned();
            for (key, value) in [("customer", customer), ("campaign", campaign)] {
                if let Some(value) = value {
                    path.push_str(&format!("{key}={}&", crate::client::in_url(&value)));
                }
            }
            let answer = with(client(Create::No)?, |client| client.get(path.trim_end_matches('&')))?;
            out.answer(&answer, |print| show::decisions(print, &answer))?;
        }
        Command::Simulate(asked) => with(client(Create::No)?, |client| tried::simulate(client, &asked, &out))?,
        Command::Render(asked) => return render::render(&asked, || client(Create::No), &out),
        Command::Test(test) => return test::test(&test, &out),
        Command::Query(query) => query::query(&query, || client(Create::No), &out)?,
        Command::Schema { kind } => match crate::api::schemas::find(&kind) {
            Some(schema) => println!("{schema:#}"),
            None => {
                let known: Vec<&str> = crate::api::schemas::kinds().collect();
                return Err(WrongUsage(format!("there is no schema `{kind}`; there are {}", known.join(", "))).into());
            }
        },
        Command::Export(asked) => export::export(&asked, || client(Create::No), &out)?,
        Command::Backup { file } => backup::backup(&dir, &file, &out)?,
        Command::Restore { file } => backup::restore(&dir, &file, &out)?,
        Command::Rebuild => {
            let answer = with(client(Create::No)?, |client| client.post("/api/rebuild", &json!({})))?;
            let is_same = answer["same"] == true;
            out.answer(&answer, |print| {
                writeln!(print, "before  {}", show::text(&answer, "before"))?;
                writeln!(print, "rebuilt {}  from {} calls", show::text(&answer, "after"), answer["calls"])?;
                let verdict = if is_same { "the same" } else { "they differ; the rebuilt one is used now" };
                writeln!(print, "{verdict}")
            })?;
            return Ok(if is_same { Ended::Yes } else { Ended::No });
        }
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Cli::command(), "perennial", &mut std::io::stdout())
        }
    }
    Ok(Ended::Yes)
}

/// Uses a client and closes it, whatever came of it.
fn with<T>(client: Client, work: impl FnOnce(&Client) -> anyhow::Result<T>) -> anyhow::Result<T> {
    let result = work(&client);
    client.close();
    result
}

fn keys(client: Client, command: &KeysCommand, out: &Out) -> anyhow::Result<()> {
    let answer = with(client, |client| match command {
        KeysCommand::Create { kind, source } => client.post("/api/keys", &json!({ "kind": kind, "source": source })),
        KeysCommand::List => client.get("/api/keys"),
        KeysCommand::Revoke { id } => client.delete(&format!("/api/keys/{}", crate::client::in_url(id))),
    })?;
    out.answer(&answer, |print| match command {
        KeysCommand::Create { .. } => writeln!(print, "{}", show::text(&answer, "key")),
        KeysCommand::List => show::table(print, &answer, &["id", "kind", "source", "created_at", "revoked_at"]),
        KeysCommand::Revoke { id } => writeln!(print, "{id} no longer works"),
    })
}

fn segments(client: Client, command: &SegmentsCommand, out: &Out) -> anyhow::Result<()> {
    let as_of = |as_of: &Option<String>| {
        as_of.as_ref().map(|at| format!("?as_of={}", crate::client::in_url(at))).unwrap_or_default()
    };
    let name = crate::client::in_url;
    let path = match command {
        SegmentsCommand::List => "/api/segments".to_owned(),
        SegmentsCommand::Show { name: own } => format!("/api/segments/{}", name(own)),
        SegmentsCommand::Count { name: own, as_of: at } => format!("/api/segments/{}/count{}", name(own), as_of(at)),
        SegmentsCommand::Members { name: own, as_of } => {
            let answer = with(client, |client| all_members(client, own, as_of.as_deref()))?;
            return out.answer(&answer, |print| show::lines(print, &answer["members"]));
        }
        SegmentsCommand::Versions { name: own } => format!("/api/segments/{}/versions", name(own)),
        SegmentsCommand::Diff { name: own, from, to } => {
            let edge = |key, number: &Option<u32>| number.map(|number| format!("{key}={number}"));
            let edges: Vec<String> = [edge("from", from), edge("to", to)].into_iter().flatten().collect();
            format!("/api/segments/{}/diff?{}", name(own), edges.join("&"))
        }
        SegmentsCommand::Why { name: own, customer, as_of: at } => {
            format!("/api/segments/{}/why/{}{}", name(own), name(customer), as_of(at))
        }
    };
    let answer = with(client, |client| client.get(&path))?;
    out.answer(&answer, |print| match command {
        SegmentsCommand::List => show::table(print, &answer, &["segment", "count", "sentence"]),
        SegmentsCommand::Show { .. } => show::segment(print, &answer),
        SegmentsCommand::Count { .. } => writeln!(print, "{}", answer["count"]),
        SegmentsCommand::Members { .. } => show::lines(print, &answer["members"]),
        SegmentsCommand::Versions { .. } => show::versions(print, &answer),
        SegmentsCommand::Diff { .. } => show::diff(print, &answer["diff"]),
        SegmentsCommand::Why { .. } => show::why(print, &answer),
    })
}

fn campaigns(client: Client, command: &CampaignsCommand, out: &Out) -> anyhow::Result<()> {
    let path = match command {
        CampaignsCommand::List => "/api/campaigns".to_owned(),
        CampaignsCommand::Show { name } => format!("/api/campaigns/{}", crate::client::in_url(name)),
        CampaignsCommand::Preflight { campaign } => {
            return with(client, |client| tried::preflight(client, campaign, out));
        }
        CampaignsCommand::CompareAnew { name } => {
            let path = format!("/api/campaigns/{}/compare-anew", crate::client::in_url(name));
            let answer = with(client, |client| client.post(&path, &json!({})))?;
            return out.answer(&answer, |print| {
                writeln!(print, "{name}: comparison {} has begun; everybody is drawn anew", answer["comparison"])
            });
        }
    };
    let answer = with(client, |client| client.get(&path))?;
    out.answer(&answer, |print| show::campaigns(print, &answer))
}

/// All members, page by page.
fn all_members(client: &Client, segment: &str, as_of: Option<&str>) -> anyhow::Result<Value> {
    let mut members: Vec<Value> = Vec::new();
    let mut after = String::new();
    loop {
        let mut path = format!("/api/segments/{}/members?limit=10000{after}", crate::client::in_url(segment));
        if let Some(at) = as_of {
            path.push_str(&format!("&as_of={}", crate::client::in_url(at)));
        }
        let mut page = client.get(&path)?;
        if let Some(own) = page["members"].as_array_mut() {
            members.append(own);
        }
        match page["next"].as_str() {
            Some(next) => after = format!("&after={}", crate::client::in_url(next)),
            None => return Ok(json!({ "segment": page["segment"], "as_of": page["as_of"], "members": members })),
        }
    }
}

fn customers(client: Client, command: &CustomersCommand, out: &Out) -> anyhow::Result<()> {
    let answer = with(client, |client| match command {
        CustomersCommand::Show { id, as_of } => {
            let at = as_of.as_ref().map(|at| format!("?as_of={}", crate::client::in_url(at))).unwrap_or_default();
            client.get(&format!("/api/customers/{}{at}", crate::client::in_url(id)))
        }
        CustomersCommand::Timeline { id } => {
            client.get(&format!("/api/customers/{}/timeline", crate::client::in_url(id)))
        }
        CustomersCommand::Find { text } => client.get(&format!("/api/customers?find={}", crate::client::in_url(text))),
        CustomersCommand::Merge { a, b } => client.post("/api/customers/merge", &json!({ "a": a, "b": b })),
        CustomersCommand::Erase { id } => {
            client.post(&format!("/api/customers/{}/erase", crate::client::in_url(id)), &json!({}))
        }
        CustomersCommand::Unmerge { a, b } => client.post("/api/customers/unmerge", &json!({ "a": a, "b": b })),
    })?;
    out.answer(&answer, |print| match command {
        CustomersCommand::Show { .. } => show::customer(print, &answer),
        CustomersCommand::Timeline { .. } => show::timeline(print, &answer),
        CustomersCommand::Find { .. } => show::found(print, &answer),
        CustomersCommand::Merge { .. } => {
            writeln!(print, "one person now: {} ({})", show::text(&answer, "customer"), show::text(&answer, "id"))
        }
        CustomersCommand::Erase { .. } => {
            let (calls, messages) = (&answer["calls"], &answer["messages"]);
            writeln!(print, "erased for good: {calls} calls and {messages} messages hold nothing of them any more")?;
            match answer["scrubbed"] == true {
                true => Ok(()),
                false => writeln!(
                    print,
                    "somebody is reading the old data; its last bytes go when they are done, or at the next start"
                ),
            }
        }
        CustomersCommand::Unmerge { a, b } => writeln!(print, "{a} and {b} are two people again"),
    })
}

/// Where answers go.
struct Out {
    json: bool,
}

impl Out {
    /// Prints an answer: as one JSON document, or in words.
    fn answer(&self, answer: &Value, words: impl FnOnce(&mut dyn Write) -> std::io::Result<()>) -> anyhow::Result<()> {
        if self.json {
            return self.document(answer);
        }
        let mut out = std::io::BufWriter::new(std::io::stdout().lock());
        finish(words(&mut out).and_then(|()| out.flush()))
    }

    fn document(&self, answer: &Value) -> anyhow::Result<()> {
        let text = if self.json { serde_json::to_string(answer)? } else { serde_json::to_string_pretty(answer)? };
        finish(writeln!(std::io::stdout(), "{text}"))
    }
}

/// Somebody who reads only the first lines (`| head`) is no error.
fn finish(result: std::io::Result<()>) -> anyhow::Result<()> {
    match result {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        other => other.context("the answer could not be printed"),
    }
}
