//! Knobs: defaults, presets and `--set` laid over each other, and checked once against the schema.

use crate::error::{Error, Result, nearest};
use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// One knob, for help and reference pages: everything comes from the struct's field.
#[derive(Clone, Debug, PartialEq)]
pub struct Knob {
    /// Its dotted path, for example `train.epochs`.
    pub path: String,
    /// What it is: the field's doc comment.
    pub help: String,
    /// Its default, as JSON.
    pub default: Value,
    /// The values it takes, in words: a type, a range, a list of names.
    pub range: String,
    /// Its JSON schema, references resolved.
    pub schema: Value,
}

/// The JSON schema of a knobs struct.
pub fn schema_of<K: JsonSchema>() -> Value {
    schemars::schema_for!(K).to_value()
}

/// Lists the knobs of a struct in the order of its fields; nested structs are flattened into paths.
pub fn list<K: JsonSchema + Default + Serialize>() -> Result<Vec<Knob>> {
    let root = schema_of::<K>();
    let defaults = to_value(&K::default())?;
    let mut knobs = Vec::new();
    collect(&root, &root, &defaults, "", &mut knobs);
    Ok(knobs)
}

fn collect(root: &Value, schema: &Value, defaults: &Value, prefix: &str, knobs: &mut Vec<Knob>) {
    let Some(properties) = schema.get("properties").and_then(Value::as_object) else { return };
    for (name, property) in properties {
        let resolved = resolve(root, property);
        let path = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
        let default = defaults.get(name).cloned().unwrap_or(Value::Null);
        if resolved.get("properties").is_some() && default.is_object() {
            collect(root, &resolved, &default, &path, knobs);
        } else {
            let help =
                property.get("description").or(resolved.get("description")).and_then(Value::as_str).unwrap_or_default();
            let help = help.split_whitespace().collect::<Vec<_>>().join(" ");
            knobs.push(Knob { path, help, default, range: range(root, &resolved), schema: resolved });
        }
    }
}

/// The schema behind a `$ref`, its own keywords kept beside what it refers to.
fn resolve(root: &Value, schema: &Value) -> Value {
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

fn range(root: &Value, schema: &Value) -> String {
    if let Some(names) = choices(schema) {
        return names.join(" | ");
    }
    let kind = match schema.get("type") {
        Some(Value::String(kind)) => kind.clone(),
        Some(Value::Array(kinds)) => {
            let kinds: Vec<&str> = kinds.iter().filter_map(Value::as_str).filter(|kind| *kind != "null").collect();
            kinds.join(" or ")
        }
        _ => String::new(),
    };
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

/// Lays `over` on `base`: tables are merged, everything else is replaced. A key that `base` lacks is
/// an error that suggests the nearest one.
pub fn merge(base: &mut Value, over: &Value, source: &str) -> Result<()> {
    merge_at(base, over, source, "")
}

fn merge_at(base: &mut Value, over: &Value, source: &str, path: &str) -> Result<()> {
    let (Value::Object(base), Value::Object(over)) = (&mut *base, over) else {
        *base = over.clone();
        return Ok(());
    };
    // A nested table with a `kind` is an enumeration with data ({ kind = "lstm", … }). Another kind
    // replaces it whole, since its other keys belong to another alternative.
    let replaces = over.get("kind").is_some_and(|kind| base.get("kind").is_some_and(|old| old != kind));
    if replaces && !path.is_empty() {
        *base = over.clone();
        return Ok(());
    }
    for (key, value) in over {
        let full = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        match base.get_mut(key) {
            Some(slot) => merge_at(slot, value, source, &full)?,
            None => {
                let hint = nearest(key, base.keys().map(String::as_str)).map_or_else(
                    || format!("expected one of {}", base.keys().cloned().collect::<Vec<_>>().join(", ")),
                    |near| format!("did you mean {near:?}?"),
                );
                return Err(Error::Input(format!("{source}: there is no knob {full:?}; {hint}")));
            }
        }
    }
    Ok(())
}

/// Parses `key.path=value` into a tree: the value is TOML where it parses as such, else a string.
pub fn parse_set(text: &str) -> Result<Value> {
    let (path, value) = text.split_once('=').ok_or_else(|| {
        Error::Input(format!("--set {text:?}: expected knob=value, for example --set train.epochs=3"))
    })?;
    let parsed = toml::from_str::<toml::Table>(&format!("v = {value}"))
        .ok()
        .filter(|table| table.len() == 1)
        .and_then(|mut table| table.remove("v"))
        .unwrap_or_else(|| toml::Value::String(value.to_owned()));
    let mut tree = to_value(&parsed)?;
    for key in path.trim().rsplit('.') {
        if key.is_empty() {
            return Err(Error::Input(format!("--set {text:?}: expected a knob before the equals sign")));
        }
        tree = Value::Object([(key.to_owned(), tree)].into_iter().collect());
    }
    Ok(tree)
}

/// Serialises knobs to JSON.
pub fn to_value<T: Serialize>(value: &T) -> Result<Value> {
    serde_json::to_value(value).map_err(|error| Error::Failed(format!("cannot write knobs as JSON: {error}")))
}

/// Checks a tree against the schema of `K` (types, ranges, names) and makes the knobs of it.
pub fn check<K: JsonSchema + DeserializeOwned>(value: &Value, source: &str) -> Result<K> {
    let root = schema_of::<K>();
    check_ranges(&root, &root, value, source, "")?;
    serde_json::from_value(value.clone()).map_err(|error| Error::Input(format!("{source}: {error}")))
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
    if let Some(kind) = schema.get("type").and_then(Value::as_str) {
        let fits = match kind {
            "integer" => value.is_u64() || value.is_i64(),
            "number" => value.is_number(),
            "boolean" => value.is_boolean(),
            "string" => value.is_string(),
            "array" => value.is_array(),
            "object" => value.is_object(),
            _ => true,
        };
        if !fits {
            return refuse();
        }
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

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;
    use serde_json::json;

    #[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
    #[serde(deny_unknown_fields, default)]
    struct Train {
        /// Passes over the data.
        #[schemars(range(min = 1, max = 100))]
        epochs: u32,
        rate: f64,
    }

    #[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
    #[serde(rename_all = "kebab-case")]
    enum Kind {
        #[default]
        Lstm,
        Gpt2,
    }

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
    #[serde(deny_unknown_fields, default)]
    struct Knobs {
        /// How many
        /// sentences.
        n: usize,
        train: Train,
        kind: Kind,
        shares: Vec<f64>,
    }

    impl Default for Knobs {
        fn default() -> Self {
            Self { n: 10, train: Train { epochs: 3, rate: 0.1 }, kind: Kind::Lstm, shares: vec![0.5] }
        }
    }

    fn resolved(sets: &[&str]) -> Result<Knobs> {
        let mut tree = to_value(&Knobs::default())?;
        for set in sets {
            merge(&mut tree, &parse_set(set)?, "--set")?;
        }
        check(&tree, "--set")
    }

    #[test]
    fn knobs_are_listed_from_the_struct_alone() {
        let knobs = list::<Knobs>().unwrap();
        let find = |path: &str| knobs.iter().find(|k| k.path == path).unwrap();
        assert_eq!(find("n").help, "How many sentences.");
        assert_eq!(
            (find("train.epochs").default.clone(), find("train.epochs").range.as_str()),
            (json!(3), "integer from 1 to 100")
        );
        assert_eq!(find("kind").range, "lstm | gpt2");
    }

    #[test]
    fn settings_are_laid_over_defaults() {
        let knobs = resolved(&["train.epochs=7", "kind=gpt2", "shares=[0.1, 0.2]"]).unwrap();
        assert_eq!((knobs.train.epochs, knobs.kind, knobs.shares), (7, Kind::Gpt2, vec![0.1, 0.2]));
    }

    #[test]
    fn mistakes_are_named() {
        let message = |set: &str| resolved(&[set]).unwrap_err().to_string();
        assert!(message("train.epoch=7").contains("did you mean \"epochs\""));
        assert!(message("train.epochs=0").contains("train.epochs is 0; expected integer from 1 to 100"));
        assert!(message("kind=gpt").contains("did you mean \"gpt2\""));
        assert!(message("n=many").contains("n is \"many\"; expected integer"));
        assert!(message("n").contains("expected knob=value"));
        assert!(message("=3").contains("expected a knob"));
    }

    #[test]
    fn knobs_survive_the_round_trip() {
        let tree = to_value(&Knobs::default()).unwrap();
        assert_eq!(check::<Knobs>(&tree, "x").unwrap(), Knobs::default());
    }
}
