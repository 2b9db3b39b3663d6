//! The flux of all methods as a table, in text and as Parquet.

use super::tool::{Inferred, Sensors};
use crate::logger::rfc3339;
use crate::{Error, Result};
use parquet::basic::{Compression, ZstdLevel};
use parquet::data_type::{ByteArray, ByteArrayType, DoubleType, Int64Type};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedColumnWriter, SerializedFileWriter};
use parquet::schema::parser::parse_message_type;
use std::sync::Arc;

/// The columns of the Parquet file; times are UTC, flux is in m/d and missing within gaps.
const SCHEMA: &str = "message flux {
    required int64 time (TIMESTAMP(MILLIS,true));
    required binary method (UTF8);
    optional double flux;
    optional double low;
    optional double high;
    required binary flag (UTF8);
}";

/// A line of the table: time in ms since 1970, method, flux with its interval, flag.
fn lines<'a>(
    all: &'a [Inferred],
    sensors: &Sensors,
) -> impl Iterator<Item = (i64, &'a str, Option<[f64; 3]>, &'a str)> + Clone {
    let (start, step) = (sensors.start, sensors.step);
    all.iter().flat_map(move |of| {
        of.flux.iter().enumerate().map(move |(i, values)| {
            let time = start + (i as f64 * step * 1000.0).round() as i64;
            (time, of.name.as_str(), *values, if values.is_some() { of.flag.as_str() } else { "gap" })
        })
    })
}

pub(super) fn csv(all: &[Inferred], sensors: &Sensors) -> String {
    use std::fmt::Write as _;
    let mut text = "time,method,flux,low,high,flag\n".to_owned();
    for (time, method, values, flag) in lines(all, sensors) {
        let time = rfc3339(time);
        // Writing to a string does not fail.
        let _ = match values {
            Some([flux, low, high]) => writeln!(text, "{time},{method},{flux:.5},{low:.5},{high:.5},{flag}"),
            None => writeln!(text, "{time},{method},,,,{flag}"),
        };
    }
    text
}

pub(super) fn parquet(all: &[Inferred], sensors: &Sensors) -> Result<Vec<u8>> {
    written(all, sensors).map_err(|error| Error::Input(format!("cannot make flux.parquet: {error}")))
}

fn written(all: &[Inferred], sensors: &Sensors) -> parquet::errors::Result<Vec<u8>> {
    let properties = WriterProperties::builder().set_compression(Compression::ZSTD(ZstdLevel::default())).build();
    let schema = Arc::new(parse_message_type(SCHEMA)?);
    let mut writer = SerializedFileWriter::new(Vec::new(), schema, Arc::new(properties))?;
    let mut group = writer.next_row_group()?;
    let lines = lines(all, sensors);
    for place in 0.. {
        let Some(mut column) = group.next_column()? else { break };
        let text = |of: &str| ByteArray::from(of.as_bytes().to_vec());
        match place {
            0 => column.typed::<Int64Type>().write_batch(
                &lines.clone().map(|line| line.0).collect::<Vec<_>>(),
                None,
                None,
            )?,
            1 => strings(&mut column, lines.clone().map(|line| text(line.1)).collect())?,
            5 => strings(&mut column, lines.clone().map(|line| text(line.3)).collect())?,
            _ => {
                let values: Vec<f64> = lines.clone().filter_map(|line| Some(line.2?[place - 2])).collect();
                let there: Vec<i16> = lines.clone().map(|line| i16::from(line.2.is_some())).collect();
                column.typed::<DoubleType>().write_batch(&values, Some(&there), None)?
            }
        };
        column.close()?;
    }
    group.close()?;
    writer.into_inner()
}

fn strings(column: &mut SerializedColumnWriter<'_>, values: Vec<ByteArray>) -> parquet::errors::Result<usize> {
    column.typed::<ByteArrayType>().write_batch(&values, None, None)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic, reason = "tests may fail")]
mod tests {
    use super::*;
    use parquet::file::reader::{FileReader, SerializedFileReader};
    use parquet::record::Field;

    #[test]
    fn both_files_say_the_same() {
        let of = |name: &str, flux: Vec<Option<[f64; 3]>>, flag: &str| Inferred {
            name: name.to_owned(),
            flux,
            mean: None,
            flag: flag.to_owned(),
            bed: Vec::new(),
            residuals: Vec::new(),
        };
        let all = [
            of("kalman", vec![Some([0.25, -0.5, 1.0]), None, Some([-0.125, -0.25, 0.0])], ""),
            of("keery 0.050-0.100m", vec![None, Some([2.0, 1.5, 2.5])], "diffusivity"),
        ];
        let sensors = Sensors {
            start: 1_555_534_980_000,
            step: 0.5,
            depths: Vec::new(),
            names: Vec::new(),
            every: 1,
            values: Vec::new(),
            findings: Vec::new(),
        };
        let reader = SerializedFileReader::new(bytes::Bytes::from(parquet(&all, &sensors).unwrap())).unwrap();
        let mut rows = reader.get_row_iter(None).unwrap();
        let text = csv(&all, &sensors);
        assert!(text.contains("2019-04-17T21:03:00Z,kalman,0.25000,-0.50000,1.00000,\n"), "{text}");
        for line in text.lines().skip(1) {
            let cells: Vec<&str> = line.split(',').collect();
            let fields: Vec<Field> = rows.next().unwrap().unwrap().into_columns().into_iter().map(|of| of.1).collect();
            let Field::TimestampMillis(time) = fields[0] else { panic!("{:?}", fields[0]) };
            assert_eq!(rfc3339(time), cells[0]);
            assert_eq!([&fields[1], &fields[5]], [&Field::Str(cells[1].to_owned()), &Field::Str(cells[5].to_owned())]);
            for (field, cell) in fields[2..5].iter().zip(&cells[2..5]) {
                let told = if let Field::Double(value) = field { format!("{value:.5}") } else { String::new() };
                assert_eq!(told, **cell);
            }
        }
        assert!(rows.next().is_none());
    }
}
