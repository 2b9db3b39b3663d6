//! Logger files of every kind, whole and broken.

#![allow(clippy::unwrap_used, reason = "helpers of tests may fail like tests")]

use parquet::data_type::{DoubleType, Int64Type};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;
use proptest::prelude::*;
use std::path::PathBuf;
use std::sync::Arc;
use trueness_flux::Error;
use trueness_flux::logger::{
    Cleaning, Finding, Format, Kind, LoggerFile, Reading, Record, Sampling, Unit, Zone, read, rfc3339,
};

fn open(text: &str, reading: &Reading) -> Result<LoggerFile, Error> {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), text).unwrap();
    read(file.path(), reading)
}

fn message<T>(found: Result<T, Error>) -> String {
    found.err().map(|error| error.to_string()).unwrap_or_default()
}

/// Ten days of two sensors every 15 minutes whose day's wave gets smaller and later with depth.
fn rows(mut change: impl FnMut(usize, &mut [f64; 2]) -> bool) -> String {
    let mut text = "time,5cm,20cm\n".to_owned();
    for i in 0..960usize {
        let angle = std::f64::consts::TAU * i as f64 / 96.0;
        let mut row = [12.0 + 3.0 * angle.sin(), 12.0 + (angle - 1.0).sin()];
        if change(i, &mut row) {
            let minute = i * 15;
            let (day, hour, minute) = (1 + minute / 1440, minute / 60 % 24, minute % 60);
            text += &format!("2024-05-{day:02}T{hour:02}:{minute:02}:00Z,{:.4},{:.4}\n", row[0], row[1]);
        }
    }
    text
}

fn gathered(text: &str) -> Result<(Record, Vec<Finding>), Error> {
    let file = open(text, &Reading::default())?;
    let (record, mut findings) = Record::gather(file.channels, &Sampling::default(), &Cleaning::default())?;
    findings.extend(file.findings);
    Ok((record, findings))
}

fn kinds(findings: &[Finding]) -> Vec<Kind> {
    let mut kinds: Vec<Kind> = findings.iter().map(|finding| finding.kind).collect();
    kinds.sort();
    kinds.dedup();
    kinds
}

#[test]
fn every_text_format_gives_its_times_depths_and_temperatures() {
    let hobo = "\u{feff}\"Plot Title: bed 5cm\"\n\"#\",\"Date Time, GMT-07:00\",\"Temp, °F (LGR S/N: 101, SEN S/N: 101, LBL: 5cm)\",\
                \"Coupler Detached (LGR S/N: 101)\"\n1,04/17/19 02:00:00 PM,50.0,\n2,04/17/19 02:15:00 PM,,Logged\n3,04/17/19 02:30:00 \
                PM,51.8,\n";
    let connect = "#,Date-Time (PDT),\"Temperature , °C\"\n1,04/17/2019 14:00:00,10.0\n2,04/17/2019 14:15:00,\n3,04/17/2019 14:30:00,11.0\n";
    let button = "1-Wire/iButton Part Number: DS1922L\n1-Wire/iButton Registration Number: 4F0000\nIs Mission Active?  true\n\
                  Mission Start:  Wed Apr 17\n\nDate/Time,Unit,Value\n04/17/19 2:00:00 PM,F,50.0\n04/17/19 2:30:00 PM,F,51.8\n";
    let toa5 = "\"TOA5\",\"site\",\"CR1000\",\"1\",\"std\",\"prog\",\"1\",\"T\"\n\"TIMESTAMP\",\"RECORD\",\"BattV_Min\",\"T_5cm\",\"T_10cm\"\n\
                \"TS\",\"RN\",\"Volts\",\"Deg F\",\"Deg F\"\n\"\",\"\",\"Min\",\"Avg\",\"Avg\"\n\
                \"2019-04-17 14:00:00\",1,12.6,50.0,51.8\n\"2019-04-17 14:30:00\",2,12.6,51.8,\"NAN\"\n";
    let rdb = "# USGS\n#\nagency_cd\tsite_no\tdatetime\ttz_cd\t64_00010\t64_00010_cd\t65_00065\n5s\t15s\t20d\t6s\t14n\t10s\t14n\n\
               USGS\t1\t2019-04-17 14:00\tPDT\t10.0\tA\t3\nUSGS\t1\t2019-04-17 14:30\tPDT\t11.0\tA\t3\n";
    let plain = "# Datetime,-5cm,-15cm\n4/17/2019 14:00,10,9\n4/17/2019 14:30,11,nan\n";
    for (text, format, sensors) in [
        (hobo, Format::Hobo, 1),
        (connect, Format::HoboConnect, 1),
        (button, Format::IButton, 1),
        (toa5, Format::Toa5, 2),
        (rdb, Format::Rdb, 1),
        (plain, Format::Csv, 2),
    ] {
        let reading = Reading { zone: Some(Zone::parse("America/Los_Angeles").unwrap()), ..Reading::default() };
        let file = open(text, &reading).unwrap();
        assert_eq!((file.format, file.channels.len()), (format, sensors), "{text}");
        let channel = &file.channels[0];
        let known: Vec<f64> = channel.values.iter().copied().filter(|value| value.is_finite()).collect();
        assert!((known[0] - 10.0).abs() < 1e-9 && (known[1] - 11.0).abs() < 1e-9, "{format:?}: {known:?}");
        // Two o'clock in the afternoon, seven hours behind UTC in summer.
        assert_eq!(rfc3339(channel.times[0]), "2019-04-17T21:00:00Z", "{format:?}");
    }
    let file = open(plain, &Reading::default()).unwrap();
    assert_eq!(file.channels.iter().map(|channel| channel.depth).collect::<Vec<_>>(), [Some(0.05), Some(0.15)]);
    assert_eq!(kinds(&file.findings), [Kind::Zone]);
    // Latin-1, as HOBOware writes it in some countries.
    let path = tempfile::NamedTempFile::new().unwrap();
    let latin: Vec<u8> = hobo.trim_start_matches('\u{feff}').chars().map(|c| c as u8).collect();
    std::fs::write(path.path(), latin).unwrap();
    assert_eq!(read(path.path(), &Reading::default()).unwrap().channels[0].unit, Unit::Fahrenheit);
}

#[test]
fn a_clean_record_has_nothing_to_find() {
    let (record, findings) = gathered(&rows(|_, _| true)).unwrap();
    assert_eq!((record.len(), record.step, record.depths.clone()), (960, 900.0, vec![0.05, 0.2]));
    assert!(findings.is_empty(), "{findings:?}");
}

#[test]
fn faults_are_found_and_named() {
    type Change = fn(usize, &mut [f64; 2]) -> bool;
    let cases: [(Kind, Change); 6] = [
        (Kind::Swapped, |_, row| {
            row.swap(0, 1);
            true
        }),
        (Kind::Stuck, |i, row| {
            if (300..500).contains(&i) {
                row[1] = 11.5;
            }
            true
        }),
        (Kind::Range, |i, row| {
            if i % 200 == 7 {
                row[0] = -200.0;
            }
            true
        }),
        (Kind::Spike, |i, row| {
            if i == 333 {
                row[0] += 8.0;
            }
            true
        }),
        (Kind::Gap, |i, _| !(100..772).contains(&i)),
        (Kind::Daylight, |i, _| !(100..104).contains(&i)),
    ];
    for (kind, change) in cases {
        let (record, findings) = gathered(&rows(change)).unwrap();
        assert!(kinds(&findings).contains(&kind), "{kind:?}: {findings:?}");
        assert_eq!(record.depths, [0.05, 0.2]);
    }
    // A gap of a week stays a gap.
    let (record, _) = gathered(&rows(|i, _| !(100..772).contains(&i))).unwrap();
    assert!(record.values[0][100..772].iter().all(|value| value.is_nan()) && record.values[0][772].is_finite());
}

#[test]
fn times_that_go_back_or_stand_twice_are_put_in_order() {
    let text = rows(|_, _| true);
    let mut lines: Vec<&str> = text.lines().collect();
    lines.swap(100, 140);
    lines.insert(200, lines[200]);
    let (record, findings) = gathered(&(lines.join("\n") + "\n")).unwrap();
    assert_eq!(kinds(&findings), [Kind::Order, Kind::Duplicate]);
    assert_eq!(record, gathered(&text).unwrap().0);
}

#[test]
fn an_hour_that_stands_twice_is_told_apart_where_the_zone_is_known() {
    let mut text = "time,5cm,20cm\n".to_owned();
    for i in 0..24 {
        // From midnight of 3 November 2019, when two o'clock became one o'clock again.
        let minute = i * 15 - if i >= 8 { 60 } else { 0 };
        text += &format!("2019-11-03 {:02}:{:02},{},{}\n", minute / 60, minute % 60, 10.0 + 0.1 * f64::from(i), 9.0);
    }
    let zone = Some(Zone::parse("America/Los_Angeles").unwrap());
    let file = open(&text, &Reading { zone, ..Reading::default() }).unwrap();
    let times = &file.channels[0].times;
    assert!(times.windows(2).all(|pair| pair[1] - pair[0] == 900_000), "{times:?}");
    let (_, findings) = gathered(&text).unwrap();
    assert!(kinds(&findings).contains(&Kind::Daylight), "{findings:?}");
}

#[test]
fn what_cannot_be_read_is_refused_with_a_reason() {
    let refuse = |text: &str| message(gathered(text));
    assert!(refuse("").contains("empty"));
    assert!(refuse("\n\n").contains("empty"));
    assert!(refuse("time,5cm\n").contains("begin with a time"));
    assert!(refuse("hello").contains("begin with a time"));
    assert!(refuse("2024-01-01,1.0\n").contains("names the columns"));
    assert!(refuse("time,a,b\n2024-01-01 00:00,1,2\n").contains("named for a depth"));
    assert!(refuse("time,5cm\n2024-01-01 00:00,1\nnot a time,2\n").contains(":3: expected a time"));
    assert!(
        refuse("time,temp a,temp b\n2024-01-01 00:00,1,2\n2024-01-01 00:10,1,2\n2024-01-01 00:20,1,2\n")
            .contains("--depths")
    );
    assert!(
        refuse("time,5cm,5cm\n2024-01-01 00:00,1,2\n2024-01-01 00:10,1,2\n2024-01-01 00:20,1,2\n")
            .contains("both lie at")
    );
    assert!(refuse("time,5cm\n2024-01-01 00:00,x\n2024-01-01 00:10,y\n").contains("truncated"));
    assert!(
        refuse(&rows(|_, row| {
            row[1] = row[1] * 1.8 + 32.0;
            true
        }))
        .contains("°F")
    );
    assert!(message(read(&PathBuf::from("/no/such/file"), &Reading::default())).contains("cannot open"));
    // Half of a packed file.
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), [0x1f, 0x8b, 8, 0, 0, 0]).unwrap();
    assert!(message(read(file.path(), &Reading::default())).contains("unpack"));
    std::fs::write(file.path(), b"PAR1 and no more").unwrap();
    assert!(message(read(file.path(), &Reading::default())).contains("Parquet"));
}

const START: i64 = 1_555_534_980;

/// A Parquet file of two sensors, at times of some kind.
fn parquet(kind: &str, times: &[i64]) -> Vec<u8> {
    let schema = format!("message m {{ required int64 time {kind}; required double 5cm; required double 15cm; }}");
    let schema = Arc::new(parse_message_type(&schema).unwrap());
    let mut writer = SerializedFileWriter::new(Vec::new(), schema, Arc::default()).unwrap();
    let mut group = writer.next_row_group().unwrap();
    let mut column = group.next_column().unwrap().unwrap();
    column.typed::<Int64Type>().write_batch(times, None, None).unwrap();
    column.close().unwrap();
    for warm in [8.0, 9.0] {
        let values: Vec<f64> = (0..times.len()).map(|i| warm + 0.1 * i as f64).collect();
        let mut column = group.next_column().unwrap().unwrap();
        column.typed::<DoubleType>().write_batch(&values, None, None).unwrap();
        column.close().unwrap();
    }
    group.close().unwrap();
    writer.into_inner().unwrap()
}

fn millis(n: i64) -> Vec<i64> {
    (0..n).map(|i| (START + 60 * i) * 1000).collect()
}

#[test]
fn a_parquet_head_that_declares_ten_gigabytes_is_refused() {
    use parquet::file::metadata::ParquetMetaDataWriter;
    use parquet::file::reader::{FileReader, SerializedFileReader};
    let good = parquet("", &millis(10));
    let size = good.len();
    let reader = SerializedFileReader::new(bytes::Bytes::from(good)).unwrap();
    let meta = reader.metadata();
    let groups = meta.row_groups().iter().cloned();
    let groups = groups.map(|group| group.into_builder().set_total_byte_size(10 << 30).build().unwrap()).collect();
    let meta = meta.clone().into_builder().set_row_groups(groups).build();
    let mut told = b"PAR1".to_vec();
    told.resize(size, 0);
    ParquetMetaDataWriter::new(&mut told, &meta).finish().unwrap();
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), told).unwrap();
    let message = message(read(file.path(), &Reading::default()));
    assert!(message.contains("declares 10 rows") && message.contains("10737418240 bytes"), "{message}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    #[test]
    fn damaged_parquet_is_an_error_or_a_file(at in prop::collection::vec((0.0f64..1.0, any::<u8>()), 1..4), cut in 0.5f64..1.5) {
        let mut bytes = parquet("(TIMESTAMP(MILLIS,true))", &millis(10));
        for (at, byte) in at {
            let place = (at * bytes.len() as f64) as usize;
            bytes[place] = byte;
        }
        bytes.truncate((cut * bytes.len() as f64) as usize);
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), bytes).unwrap();
        if let Err(error) = read(file.path(), &Reading::default()) {
            prop_assert!(!error.to_string().is_empty());
        }
    }
}

#[test]
fn any_byte_of_parquet_may_be_damaged() {
    let good = parquet("(TIMESTAMP(MILLIS,true))", &millis(10));
    let file = tempfile::NamedTempFile::new().unwrap();
    let (mut outside, mut pages) = (0, 0);
    for place in 4..good.len() {
        for byte in [0, 139, 195, 255] {
            let mut bytes = good.clone();
            bytes[place] = byte;
            std::fs::write(file.path(), bytes).unwrap();
            if let Err(error) = read(file.path(), &Reading::default()) {
                let message = error.to_string();
                outside += usize::from(message.contains("its head puts column"));
                pages += usize::from(message.contains("its pages are damaged"));
            }
        }
    }
    // Both places that the decoder would panic at were reached.
    assert!(outside > 0 && pages > 0, "{outside} {pages}");
}

#[test]
fn parquet_is_read_whatever_unit_its_times_are_in() {
    let start = START;
    for (kind, per_second) in [
        ("", 1),
        ("", 1000),
        ("(TIMESTAMP(MILLIS,true))", 1000),
        ("(TIMESTAMP(MICROS,true))", 1_000_000),
        ("", 1_000_000_000),
    ] {
        let times: Vec<i64> = (0..10).map(|i| (start + 60 * i) * per_second).collect();
        let bytes = parquet(kind, &times);
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), bytes).unwrap();
        let found = read(file.path(), &Reading::default()).unwrap();
        assert_eq!(found.channels.len(), 2);
        for (channel, (depth, warm)) in found.channels.iter().zip([(0.05, 8.0), (0.15, 9.0)]) {
            assert_eq!(channel.depth, Some(depth));
            assert_eq!(
                (channel.times[0], channel.times[9]),
                (start * 1000, (start + 540) * 1000),
                "{kind} {per_second}"
            );
            assert!((channel.values[9] - warm - 0.9).abs() < 1e-12);
        }
    }
}

#[test]
fn the_rods_of_hanford_are_read() {
    let Some(folder) = std::env::var_os("TRUENESS_TEST_DATA") else { return };
    for (name, sensors) in [("rod509_loggerE", 5), ("rod510_loggerE", 5), ("rod511_loggerC", 5), ("rod512_loggerC", 5)]
    {
        let path = PathBuf::from(&folder).join("flux").join(format!("temperature_{name}_raw.csv.gz"));
        let file = read(&path, &Reading::default()).unwrap();
        assert_eq!(file.channels.len(), sensors);
        let sampling = Sampling { step: Some(300.0), ..Sampling::default() };
        let (record, _) = Record::gather(file.channels, &sampling, &Cleaning::default()).unwrap();
        assert!(record.len() > 1000 && record.depths.iter().all(|depth| (0.0..0.6).contains(depth)), "{name}");
    }
}
