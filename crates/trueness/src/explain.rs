//! `trueness list` and `trueness explain`: everything comes from the code that does the work.

use crate::arguments::Common;
use crate::{arguments, terminal, toolkit};
use serde_json::{Value, json};
use std::fmt::Write;
use std::process::ExitCode;
use trueness_core::study::knobs::Knob;
use trueness_core::{Error, StudyEntry, nearest};
use trueness_text::metric::{Better, CATALOGUE, Card, card};

/// `trueness list`.
pub(crate) fn list(studies: &[StudyEntry], common: &Common) -> anyhow::Result<ExitCode> {
    let mut shown = String::new();
    for entry in studies {
        let manifest = entry.manifest();
        if common.json {
            continue;
        }
        if entry.is_tool() {
            let _ = writeln!(
                shown,
                "{:18} {}\n{:18}   trueness {}",
                entry.name(),
                manifest.title,
                "",
                entry.name().replace(['/', '-'], " ")
            );
            continue;
        }
        let _ = writeln!(shown, "{:18} {}", entry.name(), manifest.title);
        let mut presets: Vec<_> = manifest.presets.iter().collect();
        presets.sort_by(|a, b| a.1.expected_minutes.total_cmp(&b.1.expected_minutes));
        for (name, preset) in presets {
            let _ = writeln!(
                shown,
                "{:18}   --preset {name:8} {} seeds, about {} minutes on two cores",
                "", preset.seeds, preset.expected_minutes
            );
        }
    }
    if common.json {
        let entries: Vec<Value> = studies
            .iter()
            .map(|e| json!({ "name": e.name(), "title": e.manifest().title, "tool": e.is_tool(), "presets": e.manifest().presets.keys().collect::<Vec<_>>() }))
            .collect();
        shown = serde_json::to_string_pretty(&entries)?;
    }
    terminal::print(&shown)?;
    Ok(ExitCode::SUCCESS)
}

/// `trueness explain`.
pub(crate) fn explain(studies: &[StudyEntry], name: Option<&str>, common: &Common) -> anyhow::Result<ExitCode> {
    let toolkits = toolkit::toolkits()?;
    let tools = || toolkits.iter().flat_map(|kit| kit.tools.iter().map(|tool| (kit.name, tool)));
    let Some(name) = name else {
        let mut shown = String::from("Studies and tools:\n");
        for entry in studies {
            let _ = writeln!(shown, "  {:22} {}", entry.name(), entry.manifest().title);
        }
        for (toolkit, tool) in tools() {
            let _ = writeln!(shown, "  {:22} {}", format!("{toolkit} {}", tool.verb), tool.about);
        }
        shown.push_str("Metrics:\n");
        for card in CATALOGUE {
            let _ = writeln!(shown, "  {:22} {}", card.name, card.title);
        }
        terminal::print(&shown)?;
        return Ok(ExitCode::SUCCESS);
    };
    let wanted = name.trim().replace(' ', "/");
    if let Some((toolkit, tool)) =
        tools().find(|(toolkit, tool)| wanted == format!("{toolkit}/{}", tool.verb.replace(' ', "/")))
    {
        let name = format!("{toolkit}/{}", tool.verb.replace(' ', "-"));
        // What stands below the title of a verb that is a study of its own.
        let page = studies.iter().find(|entry| entry.name() == name).and_then(|entry| entry.readme().split_once('\n'));
        let page = page.map_or(String::new(), |(_, page)| format!("{}\n\n## Options\n\n", page.trim()));
        let options = knobs_table(&tool.knobs);
        return show(
            &format!("# trueness {toolkit} {}\n\n{}.\n\n{page}{options}", tool.verb, tool.about),
            &tool.schema,
            common,
        );
    }
    if let Some(entry) = studies.iter().find(|entry| entry.name() == wanted) {
        let text = format!("{}\n\n## Knobs\n\n{}", entry.readme().trim_end(), knobs_table(&entry.knobs()?));
        return show(&text, &entry.schema(), common);
    }
    if let Some(card) = card(name) {
        let schema = json!({ "name": card.name, "title": card.title, "about": card.about, "better": better(card) });
        return show(&metric(card), &schema, common);
    }
    let commands = arguments::command()?;
    if let Some(command) = wanted.split('/').try_fold(&commands, |command, word| command.find_subcommand(word)) {
        let mut command = command.clone().bin_name(format!("trueness {}", wanted.replace('/', " ")));
        let help = command.render_long_help().to_string();
        return show(&help, &json!({ "name": name.trim(), "help": help }), common);
    }
    let known = studies.iter().map(StudyEntry::name).chain(CATALOGUE.iter().map(|card| card.name));
    let known = known.chain(commands.get_subcommands().map(clap::Command::get_name));
    let hint = nearest(name, known)
        .map_or("trueness explain lists what there is".to_owned(), |near| format!("did you mean {near:?}?"));
    Err(Error::Input(format!("there is no study, command or metric {name:?}; {hint}")).into())
}

fn show(text: &str, schema: &Value, common: &Common) -> anyhow::Result<ExitCode> {
    if common.json {
        terminal::print(&serde_json::to_string_pretty(schema)?)?
    } else {
        terminal::print(text)?
    }
    Ok(ExitCode::SUCCESS)
}

fn better(card: &Card) -> &'static str {
    match card.better {
        Better::Lower => "lower is better",
        Better::Higher => "higher is better",
        Better::Neither => "neither end is better by itself",
    }
}

pub(crate) fn metric(card: &Card) -> String {
    format!("# {}: {}\n\n{}\n\n{}.", card.name, card.title, card.about, better(card))
}

/// The knobs as a list: path, range, default, help.
pub(crate) fn knobs_table(knobs: &[Knob]) -> String {
    let mut text = String::new();
    for knob in knobs {
        let default = match &knob.default {
            Value::String(empty) if empty.is_empty() => "nothing".to_owned(),
            Value::Null => "nothing".to_owned(),
            other => other.to_string(),
        };
        let _ = writeln!(text, "- `{}` ({}; default {}): {}", knob.path, knob.range, default, knob.help);
    }
    text
}
