//! `Layers`: for each key the value that counts, flag over environment over file over default, and
//! every fault met on the way.

use std::{collections::HashMap, io, path::Path};

use super::{
    fault::{Fault, Source},
    keys::{KEYS, Key, Takes},
};

/// What the process was given. The closures keep this file free of the process's own environment.
pub struct Given<'a> {
    /// Texts of the flags that were given, by key.
    pub flags: HashMap<&'static str, Vec<String>>,
    pub config_file: Option<&'a Path>,
    pub variable: &'a dyn Fn(&str) -> Option<String>,
    pub read_file: &'a dyn Fn(&Path) -> io::Result<String>,
}

/// The texts of one key and where they came from.
struct Layered {
    source: Source,
    texts: Vec<String>,
}

/// The values that count, and what was wrong so far.
pub(super) struct Layers {
    values: HashMap<&'static str, Layered>,
    pub(super) faults: Vec<Fault>,
}

impl Layers {
    pub(super) fn gather(mut given: Given<'_>) -> Self {
        let mut faults = Vec::new();
        let mut table = match given.config_file {
            Some(path) => read_table(path, given.read_file, &mut faults),
            None => toml::Table::new(),
        };
        let mut values = HashMap::new();
        for key in KEYS {
            let in_file = if key.is_public() {
                table.remove(key.name)
            } else {
                None
            };
            let from_file = match (given.config_file, in_file) {
                (Some(path), Some(value)) => file_texts(key, path, value, &mut faults),
                _ => None,
            };
            let from_environment = (given.variable)(&key.variable())
                .filter(|text| !text.is_empty())
                .map(|text| Layered {
                    source: Source::Environment(key.variable()),
                    texts: split(key, text),
                });
            let from_flag = given.flags.remove(key.name).map(|texts| Layered {
                source: Source::Flag(key.flag()),
                texts: texts
                    .into_iter()
                    .flat_map(|text| split(key, text))
                    .collect(),
            });
            let default = Layered {
                source: Source::Default,
                texts: split(key, key.default.to_owned()),
            };
            let value = from_flag
                .or(from_environment)
                .or(from_file)
                .unwrap_or(default);
            values.insert(key.name, value);
        }
        if let Some(path) = given.config_file {
            faults.extend(table.keys().map(|name| unknown(name, path)));
        }
        Self { values, faults }
    }

    /// What `parse` makes of the key's text; `None` if it is empty. After a fault, the type's
    /// default, which nobody will see.
    pub(super) fn text<T>(
        &mut self,
        key: &Key,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        let text = self.values.get(key.name)?.texts.first()?.clone();
        match parse(&text) {
            Ok(value) => Some(value),
            Err(problem) => {
                self.fault(key, problem);
                None
            }
        }
    }

    /// What `parse` makes of each of the key's texts.
    pub(super) fn list<T>(
        &mut self,
        key: &Key,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Vec<T> {
        let texts = self
            .values
            .get(key.name)
            .map_or(Vec::new(), |value| value.texts.clone());
        let mut parsed = Vec::with_capacity(texts.len());
        for text in texts {
            match parse(&text) {
                Ok(value) => parsed.push(value),
                Err(problem) => self.fault(key, problem),
            }
        }
        parsed
    }

    /// The number, within the key's range. After a fault 0, which nobody will see.
    pub(super) fn number(&mut self, key: &Key) -> u64 {
        let Takes::Number { min, max } = key.takes else {
            self.fault(key, "takes no number".to_owned());
            return 0;
        };
        let parse = |text: &str| match text.parse::<u64>() {
            Ok(number) if (min..=max).contains(&number) => Ok(number),
            _ => Err(format!("{text:?} is no whole number from {min} to {max}")),
        };
        self.text(key, parse).unwrap_or_default()
    }

    /// The number as a size in memory.
    pub(super) fn size(&mut self, key: &Key) -> usize {
        usize::try_from(self.number(key)).unwrap_or(usize::MAX)
    }

    pub(super) fn switch(&mut self, key: &Key) -> bool {
        let parse = |text: &str| match text {
            "true" | "1" | "yes" | "on" => Ok(true),
            "false" | "0" | "no" | "off" => Ok(false),
            _ => Err(format!("{text:?} is neither true nor false")),
        };
        self.text(key, parse).unwrap_or_default()
    }

    /// Whether nobody said anything about the key.
    pub(super) fn is_default(&self, key: &Key) -> bool {
        self.values
            .get(key.name)
            .is_none_or(|value| matches!(value.source, Source::Default))
    }

    pub(super) fn has_fault(&self, keys: &[&Key]) -> bool {
        self.faults
            .iter()
            .any(|fault| keys.iter().any(|key| key.name == fault.key))
    }

    /// Notes what is wrong with a key's value.
    pub(super) fn fault(&mut self, key: &Key, problem: String) {
        let source_ = match self.values.get(key.name) {
            Some(value) => value.source.clone(),
            None => Source::Default,
        };
        self.faults.push(Fault {
            key: key.name.to_owned(),
            source_,
            problem,
        });
    }
}

fn split(key: &Key, text: String) -> Vec<String> {
    match key.takes {
        Takes::List(_) => {
            let parts = text
                .split(',')
                .map(str::trim)
                .filter(|part| !part.is_empty());
            parts.map(str::to_owned).collect()
        }
        _ if text.is_empty() => Vec::new(),
        _ => vec![text],
    }
}

fn read_table(
    path: &Path,
    read_file: &dyn Fn(&Path) -> io::Result<String>,
    faults: &mut Vec<Fault>,
) -> toml::Table {
    let read = read_file(path).map_err(|error| format!("cannot be read: {error}"));
    let parsed = read.and_then(|text| {
        toml::from_str(&text).map_err(|error| format!("is not TOML: {}", one_line(&error, &text)))
    });
    parsed.unwrap_or_else(|problem| {
        faults.push(Fault {
            key: "config".to_owned(),
            source_: Source::File(path.to_owned()),
            problem,
        });
        toml::Table::new()
    })
}

/// Line and message. The error's own text quotes the line, which may hold a password.
fn one_line(error: &toml::de::Error, text: &str) -> String {
    let before = error.span().and_then(|span| text.get(..span.start));
    let line = before.map_or(1, |before| before.matches('\n').count() + 1);
    format!("line {line}: {}", error.message())
}

fn file_texts(
    key: &Key,
    path: &Path,
    value: toml::Value,
    faults: &mut Vec<Fault>,
) -> Option<Layered> {
    let texts = match value {
        toml::Value::Array(items) if matches!(key.takes, Takes::List(_)) => {
            items.into_iter().map(scalar).collect()
        }
        value => scalar(value).map(|text| split(key, text)),
    };
    let source = Source::File(path.to_owned());
    match texts {
        Some(texts) => Some(Layered { source, texts }),
        None => {
            faults.push(Fault {
                key: key.name.to_owned(),
                source_: source,
                problem: "has a value of the wrong type".to_owned(),
            });
            None
        }
    }
}

fn scalar(value: toml::Value) -> Option<String> {
    match value {
        toml::Value::String(text) => Some(text),
        toml::Value::Integer(number) => Some(number.to_string()),
        toml::Value::Boolean(switch) => Some(switch.to_string()),
        _ => None,
    }
}

fn unknown(name: &str, path: &Path) -> Fault {
    let problem = match KEYS.iter().find(|key| key.name == name) {
        Some(key) => format!("may stand only in the environment, as {}", key.variable()),
        None => "is no key; docs/configuration.md lists them all".to_owned(),
    };
    Fault {
        key: name.to_owned(),
        source_: Source::File(path.to_owned()),
        problem,
    }
}
