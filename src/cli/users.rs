//! `askance users export ID` and `askance users erase ID`.

use super::client::{Client, user_path};
use super::target::{Target, TargetArguments};
use crate::config::Source;
use bytes::Bytes;
use clap::Subcommand;
use http_body_util::Full;
use hyper::{Method, Request, StatusCode};
use std::error::Error;
use std::io::Write;

/// What is done with a user.
#[derive(Debug, Subcommand)]
pub(super) enum UsersCommand {
    /// Print all that is held about a user, as JSON
    Export(User),
    /// Make the service forget a user, whether it knows one or not
    Erase(User),
}

/// Whom, and of which service.
#[derive(Debug, clap::Args)]
pub(super) struct User {
    /// The user's id, as logins name it
    #[arg(value_parser = clap::builder::NonEmptyStringValueParser::new())]
    id: String,
    /// Whose user
    #[arg(long, default_value = "default")]
    tenant: String,
    #[command(flatten)]
    target: TargetArguments,
}

/// Asks the running service.
pub(super) fn run(source: &Source, command: &UsersCommand) -> Result<(), Box<dyn Error>> {
    let (UsersCommand::Export(user) | UsersCommand::Erase(user)) = command;
    let target = user.target.target(source)?;
    let body = call(target, request(command)?)?;
    let mut out = std::io::stdout();
    match command {
        UsersCommand::Export(_) => {
            out.write_all(&body)?;
            writeln!(out)?;
        }
        UsersCommand::Erase(_) => writeln!(out, "{} is forgotten", user.id)?,
    }
    Ok(())
}

fn request(command: &UsersCommand) -> Result<Request<Full<Bytes>>, hyper::http::Error> {
    let (method, user, rest) = match command {
        UsersCommand::Export(user) => (Method::GET, user, "/export"),
        UsersCommand::Erase(user) => (Method::DELETE, user, ""),
    };
    let request = Request::builder().method(method).uri(user_path(&user.id, rest));
    request.header("x-askance-tenant", &user.tenant).body(Full::default())
}

fn call(target: Target, request: Request<Full<Bytes>>) -> Result<Bytes, Box<dyn Error>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let answer = runtime.block_on(Client::new(target).call(request))?;
    match answer.status {
        StatusCode::OK | StatusCode::NO_CONTENT => Ok(answer.body),
        _ => Err(answer.problem().into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(subcommand)]
        command: UsersCommand,
    }

    #[test]
    fn requests_as_the_api_wants_them() -> Result<(), Box<dyn Error>> {
        for (arguments, method, path, tenant) in [
            (&["users", "export", "a/b"][..], "GET", "/v1/users/a%2Fb/export", "default"),
            (&["users", "erase", "bob", "--tenant", "acme"], "DELETE", "/v1/users/bob", "acme"),
        ] {
            let request = request(&Line::try_parse_from(arguments)?.command)?;
            assert_eq!((request.method().as_str(), request.uri().path()), (method, path));
            assert_eq!(request.headers()["x-askance-tenant"], tenant);
        }
        assert!(Line::try_parse_from(["users", "erase", ""]).is_err());
        Ok(())
    }
}
