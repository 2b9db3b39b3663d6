//! Knobs: defaults, presets and `--set` laid over each other, and checked once against the schema.

mod check;

pub(super) use check::NONE;
pub use check::{check, choices, kinds};

use crate::error::{Error, Result, nearest};
use check::{range, resolve};
use schemars::JsonSchema;
use serde::Serialize;
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

/// Lists the knobs of a struct in the order of their names; nested structs are flattened into paths.
///
/// # Errors
/// [`Error::Failed`] where the defaults cannot be written as JSON.
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

/// The first knob in which two trees differ, with both values: `n was 3 and is 4`. Numbers are compared
/// by value, and [`NONE`] is no value.
pub fn difference(was: &Value, is: &Value) -> Option<String> {
    difference_at(was, is, "")
}

fn difference_at(was: &Value, is: &Value, path: &str) -> Option<String> {
    let is_none = |value: &Value| value.is_null() || value.as_str() == Some(NONE);
    let same = match (was, is) {
        (Value::Object(a), Value::Object(b)) => {
            let keys: std::collections::BTreeSet<&String> = a.keys().chain(b.keys()).collect();
            return keys.into_iter().find_map(|key| {
                let full = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                let of = |tree: &serde_json::Map<String, Value>| tree.get(key).cloned().unwrap_or(Value::Null);
                difference_at(&of(a), &of(b), &full)
            });
        }
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(x, y)| difference_at(x, y, path).is_none())
        }
        (Value::Number(a), Value::Number(b)) => a == b || a.as_f64() == b.as_f64(),
        (a, b) => a == b || (is_none(a) && is_none(b)),
    };
    (!same).then(|| format!("{path} was {was} and is {is}"))
}

/// The first number of a TOML value that is not finite: JSON has none of these, and would make them null.
pub(super) fn not_finite(value: &toml::Value) -> Option<f64> {
    match value {
        toml::Value::Float(x) => (!x.is_finite()).then_some(*x),
        toml::Value::Array(items) => items.iter().find_map(not_finite),
        toml::Value::Table(table) => table.values().find_map(not_finite),
        _ => None,
    }
}

/// Parses `key.path=value` into a tree: the value is TOML where it parses as such, else a string.
///
/// # Errors
/// [`Error::Input`] where there is no key or no equals sign, or a number is not finite.
pub fn parse_set(text: &str) -> Result<Value> {
    let (path, value) = text.split_once('=').ok_or_else(|| {
        Error::Input(format!("--set {text:?}: expected knob=value, for example --set train.epochs=3"))
    })?;
    let parsed = toml::from_str::<toml::Table>(&format!("v = {value}"))
        .ok()
        .filter(|table| table.len() == 1)
        .and_then(|mut table| table.remove("v"))
        .unwrap_or_else(|| toml::Value::String(value.to_owned()));
    if let Some(x) = not_finite(&parsed) {
        return Err(Error::Input(format!("--set {text:?}: expected finite numbers, got {x}")));
    }
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

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
    #[serde(deny_unknown_fields, default)]
    struct Optional {
        #[schemars(range(min = 1, max = 9))]
        patience: Option<u32>,
        rate: Option<f64>,
        kind: Option<Kind>,
        train: Option<Train>,
    }

    impl Default for Optional {
        fn default() -> Self {
            Self {
                patience: Some(4),
                rate: Some(0.5),
                kind: Some(Kind::Gpt2),
                train: Some(Train { epochs: 3, rate: 0.1 }),
            }
        }
    }

    fn optional(set: &str) -> Result<Optional> {
        let mut tree = to_value(&Optional::default())?;
        merge(&mut tree, &parse_set(set)?, "--set")?;
        check(&tree, "--set")
    }

    #[test]
    fn an_optional_knob_is_set_to_none_by_name() {
        assert_eq!(optional("patience=none").unwrap(), Optional { patience: None, ..Optional::default() });
        assert_eq!(optional("kind = \"none\"").unwrap().kind, None);
        assert_eq!(optional("train=none").unwrap().train, None);
        assert_eq!(optional("patience=3").unwrap().patience, Some(3));
        assert!(resolved(&["n=none"]).is_err());
        let knobs = list::<Optional>().unwrap();
        assert!(knobs.iter().any(|k| k.path == "patience" && k.range == "integer from 1 to 9 or none"), "{knobs:?}");
    }

    #[test]
    fn optional_knobs_are_checked_as_others_are() {
        let message = |set: &str| optional(set).unwrap_err().to_string();
        assert!(message("patience=0").contains("patience is 0; expected integer from 1 to 9 or none"));
        assert!(message("patience=many").contains("patience is \"many\"; expected integer"));
        assert!(message("train.epochs=0").contains("train.epochs is 0; expected integer from 1 to 100"));
        assert!(message("kind=gpt").contains("did you mean \"gpt2\""));
    }

    #[test]
    fn numbers_that_are_not_finite_are_refused() {
        assert!(optional("rate=nan").unwrap_err().to_string().contains("expected finite numbers, got NaN"));
        assert!(resolved(&["shares=[0.1, inf]"]).unwrap_err().to_string().contains("got inf"));
    }

    #[test]
    fn differences_are_named_by_their_path() {
        let tree = to_value(&Knobs::default()).unwrap();
        let changed = |set: &str| {
            let mut other = tree.clone();
            merge(&mut other, &parse_set(set).unwrap(), "x").unwrap();
            difference(&tree, &other)
        };
        assert_eq!(changed("train.epochs=7").unwrap(), "train.epochs was 3 and is 7");
        assert_eq!(changed("n=10.0"), None);
        assert_eq!(changed("shares=[0.5]"), None);
        assert!(changed("shares=[0.5, 1]").unwrap().starts_with("shares was [0.5]"));
    }

    #[test]
    fn knobs_survive_the_round_trip() {
        let tree = to_value(&Knobs::default()).unwrap();
        assert_eq!(check::<Knobs>(&tree, "x").unwrap(), Knobs::default());
    }
}
