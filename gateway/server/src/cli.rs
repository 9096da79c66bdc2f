//! The command line. Flags are only collected here, as texts: they are judged together with the other
//! sources of configuration, so that all faults come at once.

use std::{collections::HashMap, ffi::OsString, path::PathBuf, time::Duration};

use clap::{Arg, ArgAction, ArgMatches, Command};
use inkwire_model::{DocumentId, InvalidRole, Role, Subject};
use inkwire_session::DestinationPattern;

use crate::config::{
    Fault, Source,
    keys::{KEYS, Key, TOKEN_AUDIENCE, TOKEN_ISSUER, TOKEN_SECRET_FILE, Takes},
};

/// What the process is asked to do.
#[derive(Debug)]
pub struct CommandLine {
    pub action: Action,
    /// Texts of the configuration flags that were given, by key.
    pub flags: HashMap<&'static str, Vec<String>>,
    pub config_file: Option<PathBuf>,
}

#[derive(Debug, PartialEq, Eq)]
pub enum Action {
    Serve,
    Check,
    Token(TokenTexts),
}

/// What was said of a token to be made, not judged yet: faults are told together with those of the
/// configuration.
#[derive(Debug, PartialEq, Eq)]
pub struct TokenTexts {
    subject: String,
    documents: Vec<String>,
    roles: Vec<String>,
    destinations: Vec<String>,
    expires_in: String,
}

/// A token to be made.
#[derive(Debug, PartialEq, Eq)]
pub struct TokenRequest {
    pub subject: Subject,
    pub roles: Vec<(DocumentId, Role)>,
    pub destinations: Vec<(DestinationPattern, Role)>,
    pub lifetime: Duration,
}

impl CommandLine {
    /// Reads the arguments, the program's name first. An error prints and exits as clap does.
    pub fn parse<I, T>(arguments: I) -> Result<Self, clap::Error>
    where
        I: IntoIterator<Item = T>,
        T: Into<OsString> + Clone,
    {
        let matches = command().try_get_matches_from(arguments)?;
        let (action, matches) = match matches.subcommand() {
            Some(("check", matches)) => (Action::Check, matches),
            Some(("token", matches)) => (Action::Token(token_texts(matches)), matches),
            Some((_, matches)) => (Action::Serve, matches),
            None => (Action::Serve, &matches),
        };
        Ok(Self {
            action,
            flags: KEYS.iter().filter_map(|key| given(key, matches)).collect(),
            config_file: matches.get_one::<PathBuf>("config").cloned(),
        })
    }
}

fn command() -> Command {
    let all = || {
        KEYS.iter()
            .filter(|key| key.is_public())
            .map(|key| flag(key))
    };
    let serve = Command::new("serve").about("Run the gateway (the default)");
    let check = Command::new("check")
        .about("Check the configuration and Redis; exit 2 or 3 and name all faults otherwise");
    Command::new("inkwire")
        .version(env!("CARGO_PKG_VERSION"))
        .about("A real-time gateway: documents as ordered logs, over WebSockets")
        .after_help(
            "Exit codes: 0 stopped as asked, 1 failed, 2 usage or configuration, 3 Redis unfit.",
        )
        .args_conflicts_with_subcommands(true)
        .arg(config_flag())
        .args(all())
        .subcommand(serve.arg(config_flag()).args(all()))
        .subcommand(check.arg(config_flag()).args(all()))
        .subcommand(token_command())
}

fn token_command() -> Command {
    Command::new("token")
        .about("Print a token (HS256) for a subject, its documents and its destinations")
        .arg(config_flag())
        .arg(flag(&TOKEN_SECRET_FILE))
        .arg(flag(&TOKEN_ISSUER))
        .arg(flag(&TOKEN_AUDIENCE))
        .arg(
            Arg::new("subject")
                .long("subject")
                .value_name("S")
                .required(true)
                .help("Who it is for"),
        )
        .arg(
            Arg::new("document")
                .long("document")
                .value_name("D")
                .required_unless_present("destination")
                .action(ArgAction::Append)
                .help("A document; repeat with --role"),
        )
        .arg(
            Arg::new("role")
                .long("role")
                .value_name("R")
                .required_unless_present("destination")
                .action(ArgAction::Append)
                .help(
                    "The role in the document at the same place: viewer, reviewer, writer or owner",
                ),
        )
        .arg(
            Arg::new("destination")
                .long("destination")
                .value_name("D=R")
                .action(ArgAction::Append)
                .help(
                    "topic/<name>, queue/<name> or user/<subject>, a * at its end for any rest, \
                     and the role there; repeat",
                ),
        )
        .arg(
            Arg::new("expires_in")
                .long("expires-in")
                .value_name("TIME")
                .default_value("1h")
                .help("How long it is valid: a number and s, m, h or d"),
        )
}

fn config_flag() -> Arg {
    Arg::new("config")
        .long("config")
        .value_name("FILE")
        .env("INKWIRE_CONFIG")
        .value_parser(clap::value_parser!(PathBuf))
        .help("A TOML file with the keys below, _ for -")
}

fn flag(key: &'static Key) -> Arg {
    let default = match key.default {
        "" => String::new(),
        default => format!(" [default: {default}]"),
    };
    let arg = Arg::new(key.name).long(key.flag()).help(format!(
        "{}{default} [env: {}]",
        key.sentence,
        key.variable()
    ));
    match key.takes {
        Takes::Text(name) => arg.value_name(name),
        Takes::List(name) => arg.value_name(name).action(ArgAction::Append),
        Takes::Number { .. } | Takes::Secret => arg.value_name("N").allow_negative_numbers(true),
        Takes::Switch => arg
            .value_name("BOOL")
            .num_args(0..=1)
            .require_equals(true)
            .default_missing_value("true"),
    }
}

fn given(key: &Key, matches: &ArgMatches) -> Option<(&'static str, Vec<String>)> {
    let key = KEYS.iter().find(|known| known.name == key.name)?;
    let texts = matches.try_get_many::<String>(key.name).ok()??;
    Some((key.name, texts.cloned().collect()))
}

fn token_texts(matches: &ArgMatches) -> TokenTexts {
    let texts = |name: &str| -> Vec<String> {
        matches
            .get_many::<String>(name)
            .into_iter()
            .flatten()
            .cloned()
            .collect()
    };
    let one = |name: &str| matches.get_one::<String>(name).cloned().unwrap_or_default();
    TokenTexts {
        subject: one("subject"),
        documents: texts("document"),
        roles: texts("role"),
        destinations: texts("destination"),
        expires_in: one("expires_in"),
    }
}

impl TokenTexts {
    /// The token that is meant, or all that is wrong with it.
    pub fn judge(&self) -> Result<TokenRequest, Vec<Fault>> {
        let mut faults = Vec::new();
        let mut fault = |flag: &str, problem: String| {
            faults.push(Fault {
                key: flag.to_owned(),
                source_: Source::Flag(flag.to_owned()),
                problem,
            });
        };
        let subject = Subject::parse(&self.subject)
            .map_err(|error| fault("subject", error.to_string()))
            .ok();
        let mut documents = Vec::with_capacity(self.documents.len());
        for text in &self.documents {
            match DocumentId::parse(text) {
                Ok(document) => documents.push(document),
                Err(error) => fault("document", error.to_string()),
            }
        }
        let mut roles = Vec::with_capacity(self.roles.len());
        for text in &self.roles {
            match text.parse::<Role>() {
                Ok(role) => roles.push(role),
                Err(error) => fault("role", error.to_string()),
            }
        }
        if self.documents.len() != self.roles.len() {
            let problem = format!(
                "{} for {} documents: give one role for each document",
                self.roles.len(),
                self.documents.len()
            );
            fault("role", problem);
        }
        let mut destinations = Vec::with_capacity(self.destinations.len());
        for text in &self.destinations {
            match parse_destination(text) {
                Ok(destination) => destinations.push(destination),
                Err(problem) => fault("destination", problem),
            }
        }
        let lifetime = parse_lifetime(&self.expires_in)
            .map_err(|problem| fault("expires-in", problem))
            .ok();
        match (subject, lifetime) {
            (Some(subject), Some(lifetime)) if faults.is_empty() => Ok(TokenRequest {
                subject,
                roles: documents.into_iter().zip(roles).collect(),
                destinations,
                lifetime,
            }),
            _ => Err(faults),
        }
    }
}

fn parse_destination(text: &str) -> Result<(DestinationPattern, Role), String> {
    // A subject may have a = in its name, a role has none.
    let Some((destination, role)) = text.rsplit_once('=') else {
        return Err(format!("{text:?} names no role: write topic/news=viewer"));
    };
    let destination = DestinationPattern::parse(destination).map_err(|error| error.to_string())?;
    let role = role
        .parse()
        .map_err(|error: InvalidRole| error.to_string())?;
    Ok((destination, role))
}

fn parse_lifetime(text: &str) -> Result<Duration, String> {
    let wrong = || format!("{text:?} is no time: write a number and s, m, h or d, like 1h");
    let (number, seconds) = match text.char_indices().next_back() {
        Some((at, 's')) => (text.get(..at), 1),
        Some((at, 'm')) => (text.get(..at), 60),
        Some((at, 'h')) => (text.get(..at), 3_600),
        Some((at, 'd')) => (text.get(..at), 86_400),
        _ => (None, 0),
    };
    let number: u64 = number
        .and_then(|number| number.parse().ok())
        .ok_or_else(wrong)?;
    number
        .checked_mul(seconds)
        .map(Duration::from_secs)
        .ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(arguments: &str) -> Result<CommandLine, clap::Error> {
        CommandLine::parse(arguments.split(' '))
    }

    #[test]
    fn the_command_is_well_formed() {
        command().debug_assert();
    }

    #[test]
    fn serve_is_the_default() {
        for line in [
            "inkwire --listen a --listen b --connections-max -5",
            "inkwire serve --listen a --listen b --connections-max -5",
        ] {
            let parsed = parse(line).unwrap();
            assert_eq!(parsed.action, Action::Serve);
            assert_eq!(parsed.flags["listen"], ["a", "b"]);
            assert_eq!(parsed.flags["connections_max"], ["-5"]);
            assert_eq!(parsed.flags.len(), 2);
        }
    }

    #[test]
    fn a_switch_needs_no_value() {
        let switch = |line| parse(line).unwrap().flags["allow_anonymous_anywhere"].clone();
        assert_eq!(switch("inkwire --allow-anonymous-anywhere"), ["true"]);
        assert_eq!(
            switch("inkwire --allow-anonymous-anywhere=false"),
            ["false"]
        );
    }

    #[test]
    fn a_token_has_a_role_for_each_document() {
        let line = "inkwire token --subject alice --document a --role writer --document b/c --role viewer --expires-in 2d";
        let judge = |line| match parse(line).unwrap().action {
            Action::Token(texts) => texts.judge(),
            other => panic!("a token was asked for: {other:?}"),
        };
        let request = judge(line).unwrap();
        assert_eq!(request.roles.len(), 2);
        assert_eq!(request.lifetime, Duration::from_secs(172_800));
        for bad in [
            "inkwire token --subject alice --document a --document b --role writer",
            "inkwire token --subject alice --document a --role god",
            "inkwire token --subject alice --document a//b --role writer",
            "inkwire token --subject inkwire --document a --role writer",
            "inkwire token --subject alice --document a --role writer --expires-in soon",
        ] {
            assert_eq!(judge(bad).unwrap_err().len(), 1, "{bad}");
        }
        let all = "inkwire token --subject inkwire --document a//b --role god --role writer --expires-in soon";
        assert_eq!(judge(all).unwrap_err().len(), 5);
        assert!(parse("inkwire token --document a --role writer").is_err());
    }

    #[test]
    fn a_token_may_be_for_destinations_alone() {
        let judge = |line: &str| match parse(&format!("inkwire token --subject alice {line}")) {
            Ok(CommandLine {
                action: Action::Token(texts),
                ..
            }) => texts.judge(),
            other => panic!("a token was asked for: {other:?}"),
        };
        let request = judge("--destination topic/*=viewer --destination user/a=b=writer").unwrap();
        let texts = request
            .destinations
            .iter()
            .map(|(pattern, role)| format!("{pattern} {role}"));
        let texts: Vec<_> = texts.collect();
        assert_eq!(texts, ["topic/* viewer", "user/a=b writer"]);
        assert!(request.roles.is_empty());
        for bad in [
            "--destination topic/news",
            "--destination news=viewer",
            "--destination topic/news=god",
            "--destination topic//=viewer",
        ] {
            assert_eq!(judge(bad).unwrap_err().len(), 1, "{bad}");
        }
        assert!(
            parse("inkwire token --subject alice --document a --destination topic/a=viewer")
                .is_ok()
        );
        assert!(parse("inkwire token --subject alice").is_err());
    }
}
