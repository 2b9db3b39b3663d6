//! Command-line options made from a knobs struct's schema, so that each knob is defined once.

use anyhow::{Context, anyhow};
use clap::{Arg, ArgAction, ArgMatches};
use serde_json::Value;
use trueness_core::study::knobs::{Knob, choices, kinds};

/// What kind of value a knob takes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shape {
    Flag,
    One,
    Many,
}

fn shape(knob: &Knob) -> Shape {
    match kind(&knob.schema) {
        Some("boolean") => Shape::Flag,
        Some("array") => Shape::Many,
        _ => Shape::One,
    }
}

/// The type of a value, where there is one.
fn kind(schema: &Value) -> Option<&str> {
    kinds(schema).into_iter().find(|kind| *kind != "null")
}

fn position(knob: &Knob) -> Option<usize> {
    knob.schema.get("x-position").and_then(Value::as_u64).and_then(|p| usize::try_from(p).ok())
}

/// Whether a knob is marked in its schema: `x-files` for a list of files, `x-optional` for a position that may be left out.
fn says(knob: &Knob, mark: &str) -> bool {
    knob.schema.get(mark).and_then(Value::as_bool).unwrap_or(false)
}

fn shown(default: &Value) -> Option<String> {
    match default {
        Value::Null => None,
        Value::String(text) => (!text.is_empty()).then(|| text.clone()),
        Value::Array(items) => {
            (!items.is_empty()).then(|| items.iter().filter_map(shown).collect::<Vec<_>>().join(","))
        }
        Value::Bool(false) => None,
        other => Some(other.to_string()),
    }
}

/// A subcommand whose options are the knobs. One that is resumable has an option `resume`, which stands for
/// the positions.
pub(crate) fn command(verb: &'static str, about: &'static str, knobs: &[Knob], resumable: bool) -> clap::Command {
    let mut command = clap::Command::new(verb).about(about);
    for knob in knobs {
        // A full stop ends a sentence in the documentation, but not a line of help.
        let mut help = knob.help.trim_end_matches('.').to_owned();
        let is_list = shape(knob) == Shape::Many;
        let named = choices(knob.schema.get("items").unwrap_or(&knob.schema));
        if let Some(names) = named.filter(|_| position(knob).is_none()) {
            help.push_str(&format!(" [{}]", names.join(", ")));
        }
        let mut arg = Arg::new(knob.path.clone());
        if let Some(index) = position(knob) {
            let name = if is_list { knob.path.trim_end_matches('s') } else { &knob.path };
            arg = arg.index(index).value_name(name.to_uppercase());
            // Some positions can be left out where another option stands for them.
            let instead = knob.schema.get("x-instead").and_then(Value::as_str).map(str::to_owned);
            let instead: Vec<String> = instead.into_iter().chain(resumable.then(|| "resume".to_owned())).collect();
            arg = match instead.is_empty() {
                _ if says(knob, "x-optional") => arg,
                true => arg.required(true),
                false => arg.required_unless_present_any(instead),
            };
            if is_list {
                arg = arg.num_args(1..);
            }
        } else {
            if let Some(default) = shown(&knob.default) {
                help.push_str(&format!(" [default: {default}]"));
            }
            arg = arg.long(knob.path.replace('.', "-")).value_name(value_name(knob));
            match shape(knob) {
                // Without the equals sign a flag would take the next position for its value.
                Shape::Flag => arg = arg.num_args(0..=1).require_equals(true).default_missing_value("true"),
                // Lists of files are separated by spaces, lists of names by commas too.
                Shape::Many if says(knob, "x-files") => arg = arg.num_args(1..),
                Shape::Many => arg = arg.value_delimiter(','),
                Shape::One => {}
            }
        }
        if is_list {
            arg = arg.action(ArgAction::Append);
        }
        command = command.arg(arg.help(help));
    }
    command
}

fn value_name(knob: &Knob) -> &'static str {
    match kind(&knob.schema) {
        Some("integer") => "N",
        Some("number") => "X",
        Some("array") => "LIST",
        Some("boolean") => "true|false",
        _ => "VALUE",
    }
}

/// The knobs that were given, as a tree to lay over the defaults.
pub(crate) fn given(matches: &ArgMatches, knobs: &[Knob]) -> anyhow::Result<Value> {
    let mut tree = Value::Object(serde_json::Map::new());
    for knob in knobs {
        let Some(values) = matches.get_many::<String>(&knob.path) else { continue };
        let values: Vec<&String> = values.collect();
        let value = match shape(knob) {
            Shape::Many => {
                let items = knob.schema.get("items").unwrap_or(&Value::Null);
                Value::Array(values.iter().map(|text| parsed(text, items)).collect())
            }
            _ => parsed(values.first().ok_or_else(|| anyhow!("--{} has no value", knob.path))?, &knob.schema),
        };
        set(&mut tree, &knob.path, value).with_context(|| format!("--{}", knob.path))?;
    }
    Ok(tree)
}

/// A number or a truth value where the schema wants one and the text is one; else the text, which the
/// schema's check then refuses with the range named.
fn parsed(text: &str, schema: &Value) -> Value {
    match kind(schema) {
        Some("integer" | "number" | "boolean") => {
            serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned()))
        }
        _ => Value::String(text.to_owned()),
    }
}

fn set(tree: &mut Value, path: &str, value: Value) -> anyhow::Result<()> {
    let mut node = tree;
    let mut keys = path.split('.').peekable();
    while let Some(key) = keys.next() {
        let object = node.as_object_mut().ok_or_else(|| anyhow!("is a value and a table"))?;
        if keys.peek().is_none() {
            object.insert(key.to_owned(), value);
            return Ok(());
        }
        node = object.entry(key).or_insert_with(|| Value::Object(serde_json::Map::new()));
    }
    Ok(())
}
