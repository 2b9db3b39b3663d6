//! Schemas read and held against values: types, ranges, names, and knobs that may be none.

use super::schema_of;
use crate::error::{Error, Result, nearest};
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// The schema behind a `$ref`, its own keywords kept beside what it refers to.
pub(super) fn resolve(root: &Value, schema: &Value) -> Value {
    let Some(target) =
        schema.get("$ref").and_then(Value::as_str).and_then(|path| root.pointer(path.trim_start_matches('#')))
    else {
        return schema.clone();
    };
    let mut merged = target.clone();
    if let (Some(merged), Some(own)) = (merged.as_object_mut(), schema.as_object()) {
        merged.extend(own.iter().filter(|(key, _)| *key != "$ref").map(|(k, v)| (k.clone(), v.clone())));
    }
    merged
}

/// The names of an enumeration, if the schema is one.
pub fn choices(schema: &Value) -> Option<Vec<String>> {
    if let Some(names) = schema.get("enum").and_then(Value::as_array) {
        return Some(names.iter().filter_map(Value::as_str).map(str::to_owned).collect());
    }
    let branches = schema.get("oneOf").or(schema.get("anyOf")).and_then(Value::as_array)?;
    let mut names = Vec::new();
    for branch in branches {
        if let Some(name) = branch.get("const").and_then(Value::as_str) {
            names.push(name.to_owned());
        } else if let Some(more) = choices(branch) {
            names.extend(more);
        } else if branch.get("type").and_then(Value::as_str) != Some("null") {
            return None;
        }
    }
    (!names.is_empty()).then_some(names)
}

/// What an optional knob without a value is set to, in TOML and on the command line, which have no null.
pub(in crate::study) const NONE: &str = "none";

/// The types that a schema names: one, or several.
pub fn kinds(schema: &Value) -> Vec<&str> {
    match schema.get("type") {
        Some(Value::String(kind)) => vec![kind],
        Some(Value::Array(kinds)) => kinds.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

/// The alternatives of a schema, where it has some.
fn branches(schema: &Value) -> &[Value] {
    schema.get("anyOf").or(schema.get("oneOf")).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn is_optional(schema: &Value) -> bool {
    kinds(schema).contains(&"null") || branches(schema).iter().any(|branch| kinds(branch) == ["null"])
}

pub(super) fn range(root: &Value, schema: &Value) -> String {
    let none = if is_optional(schema) { format!(" or {NONE}") } else { String::new() };
    format!("{}{none}", range_of_value(root, schema))
}

fn range_of_value(root: &Value, schema: &Value) -> String {
    if let Some(names) = choices(schema) {
        return names.join(" | ");
    }
    let kind = kinds(schema).into_iter().filter(|kind| *kind != "null").collect::<Vec<_>>().join(" or ");
    let unit = schema.get("x-unit").and_then(Value::as_str).map_or(String::new(), |unit| format!(" {unit}"));
    let end = |key: &str| schema.get(key).and_then(Value::as_f64);
    let bounds = match (end("minimum"), end("maximum")) {
        (Some(low), Some(high)) => format!(" from {low} to {high}"),
        (Some(low), None) => format!(" from {low} on"),
        (None, Some(high)) => format!(" up to {high}"),
        (None, None) => String::new(),
    };
    if let (true, Some(items)) = (kind == "array", schema.get("items")) {
        return format!("list of {}", range(root, &resolve(root, items)));
    }
    format!("{kind}{bounds}{unit}")
}

/// Checks a tree against the schema of `K` (types, ranges, names) and makes the knobs of it.
pub fn check<K: JsonSchema + DeserializeOwned>(value: &Value, source: &str) -> Result<K> {
    let root = schema_of::<K>();
    let mut value = value.clone();
    none_to_null(&root, &root, &mut value);
    check_ranges(&root, &root, &value, source, "")?;
    serde_json::from_value(value).map_err(|error| Error::Input(format!("{source}: {error}")))
}

/// Makes [`NONE`] a null wherever the schema allows that.
fn none_to_null(root: &Value, schema: &Value, value: &mut Value) {
    let schema = resolve(root, schema);
    if value.as_str() == Some(NONE) && is_optional(&schema) {
        *value = Value::Null;
    }
    for branch in branches(&schema) {
        none_to_null(root, branch, value);
    }
    if let (Some(items), Some(values)) = (schema.get("items"), value.as_array_mut()) {
        values.iter_mut().for_each(|value| none_to_null(root, items, value));
    }
    if let (Some(properties), Some(object)) =
        (schema.get("properties").and_then(Value::as_object), value.as_object_mut())
    {
        for (name, property) in properties {
            if let Some(inner) = object.get_mut(name) {
                none_to_null(root, property, inner);
            }
        }
    }
}

/// Whether a value is of a type that a schema names.
fn is_of(value: &Value, kind: &str) -> bool {
    match kind {
        "integer" => value.is_u64() || value.is_i64(),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        "null" => value.is_null(),
        _ => true,
    }
}

fn check_ranges(root: &Value, schema: &Value, value: &Value, source: &str, path: &str) -> Result<()> {
    let schema = resolve(root, schema);
    let refuse = || Err(Error::Input(format!("{source}: {path} is {value}; expected {}", range(root, &schema))));
    if let Some(x) = value.as_f64() {
        let outside = |key: &str, past: fn(f64, f64) -> bool| {
            schema.get(key).and_then(Value::as_f64).is_some_and(|end| past(x, end))
        };
        if outside("minimum", |x, end| x < end)
            || outside("maximum", |x, end| x > end)
            || outside("exclusiveMinimum", |x, end| x <= end)
            || outside("exclusiveMaximum", |x, end| x >= end)
        {
            return refuse();
        }
    }
    if let (Some(text), Some(names)) = (value.as_str(), choices(&schema))
        && !names.iter().any(|name| name == text)
    {
        let hint = nearest(text, names.iter().map(String::as_str))
            .map_or(String::new(), |near| format!("; did you mean {near:?}?"));
        return Err(Error::Input(format!("{source}: {path} is {text:?}; expected one of {}{hint}", names.join(", "))));
    }
    let kinds = kinds(&schema);
    if !kinds.is_empty() && !kinds.iter().any(|kind| is_of(value, kind)) {
        return refuse();
    }
    // An optional type is null or one other; which of several others is meant, serde finds out.
    let others: Vec<&Value> = branches(&schema).iter().filter(|branch| self::kinds(branch) != ["null"]).collect();
    if let ([other], false) = (others.as_slice(), value.is_null() && is_optional(&schema)) {
        check_ranges(root, other, value, source, path)?;
    }
    if let (Some(items), Some(values)) = (schema.get("items"), value.as_array()) {
        for (i, item) in values.iter().enumerate() {
            check_ranges(root, items, item, source, &format!("{path}[{i}]"))?;
        }
    }
    if let (Some(properties), Some(object)) = (schema.get("properties").and_then(Value::as_object), value.as_object()) {
        for (name, property) in properties {
            if let Some(inner) = object.get(name) {
                let full = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                check_ranges(root, property, inner, source, &full)?;
            }
        }
    }
    Ok(())
}
