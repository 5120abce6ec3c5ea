//! The command line.

mod backup;
mod bar;
mod check_config;
mod chunks;
mod client;
mod client_key;
mod connector;
mod demo;
mod doctor;
mod geo;
mod import;
mod networks;
mod replay;
mod restore;
mod serve;
mod target;
mod users;
mod zstd;

use crate::app::AppError;
use crate::config::Source;
use clap::{Parser, Subcommand};
use std::error::Error;
use std::io::Write;
use std::net::IpAddr;
use std::path::PathBuf;

/// Adaptive MFA: says of each login whether to demand a second factor, and why.
#[derive(Debug, Parser)]
#[command(name = "askance", version, about)]
struct Arguments {
    /// The configuration; default config.toml if there is one, else the built-in defaults
    #[arg(long, value_name = "FILE", global = true)]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the service (the default)
    Serve,
    /// Print the effective configuration, secrets masked, or every error in it
    CheckConfig {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Make a new API key and its configuration stanza
    ClientKey {
        /// How logs call the client
        name: String,
    },
    /// Try the connectors that carry messages
    #[command(subcommand)]
    Connector(connector::ConnectorCommand),
    /// Look at the deployment, and say what is well, what is not, and what mends it
    ///
    /// Nothing is changed. The exit code is 0 only if there is no error; warnings are none.
    Doctor(doctor::DoctorArguments),
    /// Say what the databases and lists know of addresses
    Geo {
        /// The addresses
        #[arg(required = true)]
        ip: Vec<IpAddr>,
        /// Print JSON, one object a line
        #[arg(long)]
        json: bool,
    },
    /// Make a backup of the embedded store, be the service running or not
    ///
    /// A running service makes it itself, asked over its admin listener (server.admin_listen).
    Backup(backup::BackupArguments),
    /// Put a backup back in the place of the embedded store, while the service does not run
    Restore(restore::RestoreArguments),
    /// Send past logins to a running service; run again after a stop, it goes on where it was
    ///
    /// Sending a login twice changes nothing. The exit code is 0 only if every line was taken.
    Import(import::ImportArguments),
    /// List the networks that many users log in from, for signals.confirmed_networks
    Networks(networks::NetworksArguments),
    /// Run past logins through a configuration, offline, with each event's own time as the clock
    ///
    /// Nothing is sent anywhere. With --against, tells whom another configuration would ask, and why.
    Replay(replay::ReplayArguments),
    /// Tell or erase what a running service holds about a user
    #[command(subcommand)]
    Users(users::UsersCommand),
    /// Start a service in memory and tell a story of logins, each with its verdict
    Demo {
        /// End when the story has been told
        #[arg(long)]
        exit: bool,
    },
}

/// Runs the command of this process's arguments; gives the exit code.
#[must_use]
pub fn run() -> u8 {
    let Arguments { config, command } = Arguments::parse();
    let source = Source::new(config);
    let done = match command.unwrap_or(Command::Serve) {
        Command::Serve => serve::run(&source),
        Command::CheckConfig { json } => check_config::run(&source, json),
        Command::ClientKey { name } => client_key::run(&name),
        Command::Connector(command) => connector::run(&source, &command),
        Command::Doctor(arguments) => doctor::run(&source, &arguments),
        Command::Geo { ip, json } => geo::run(&source, &ip, json),
        Command::Backup(arguments) => backup::run(&source, &arguments),
        Command::Restore(arguments) => restore::run(&source, &arguments),
        Command::Import(arguments) => import::run(&source, &arguments),
        Command::Networks(arguments) => networks::run(&source, &arguments),
        Command::Replay(arguments) => replay::run(&source, &arguments),
        Command::Users(command) => users::run(&source, &command),
        Command::Demo { exit } => demo::run(exit),
    };
    match done {
        Ok(()) => 0,
        Err(error) => {
            say_error(error.as_ref());
            exit_code(error.as_ref())
        }
    }
}

/// 2 is for what the configuration can mend.
fn exit_code(error: &(dyn Error + 'static)) -> u8 {
    match error.downcast_ref::<AppError>() {
        Some(error) if error.is_config() => 2,
        _ => 1,
    }
}

/// The error and what lies behind it, on standard error.
fn say_error(error: &dyn Error) {
    let mut text = format!("askance: {error}");
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(&format!(": {cause}"));
        source = cause.source();
    }
    // Nobody is left to tell when standard error is gone.
    writeln!(std::io::stderr(), "{text}").unwrap_or_default();
}
