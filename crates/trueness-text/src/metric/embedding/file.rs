//! Embeddings that somebody else made: NumPy's `.npy` and `.safetensors`.
//!
//! Both formats are told by their content. No size in a header is believed before it was compared with
//! the size of the file, so a header cannot make the program allocate. The `.npy` header is read here
//! rather than by a library: it is one line with three known keys, and a general parser of Python
//! literals would recurse and multiply as far as a hostile header says.

use super::Embeddings;
use crate::error::{Error, Result};
use crate::safetensors_file::MAX_HEADER as MAX_SAFETENSORS_HEADER;
use safetensors::{Dtype, SafeTensors};
use std::fs::File;
use std::io::Read;
use std::path::Path;

const NPY_MAGIC: &[u8] = b"\x93NUMPY";
/// NumPy itself refuses to read longer headers (`max_header_size`).
const MAX_NPY_HEADER: usize = 10_000;
const NEITHER: &str = "expected embeddings as .npy or .safetensors, got neither by the first bytes";

/// Reads embeddings of `sentences` sentences: a `.npy` with a two-dimensional array of f16, f32 or f64
/// in either order of axes, or a `.safetensors` with a single two-dimensional tensor of F16, BF16, F32
/// or F64. One row a sentence, in their order. What model made the vectors is not in the file, so the
/// signature says `file-d768`: that both sides come from one model is up to the caller.
///
/// # Errors
/// A file that cannot be read; another format, type or shape; another number of rows; a header that
/// does not fit the file; a value that is not finite in f32, with its row.
pub fn read(path: impl AsRef<Path>, sentences: usize) -> Result<Embeddings> {
    let path = path.as_ref();
    let (mut bytes, mut file) = head(path, sentences)?;
    file.read_to_end(&mut bytes).map_err(trueness_core::Error::io("read", path))?;
    parse(&bytes, sentences).map_err(|message| Error::parse(path, message))
}

/// Whether a file has the form that [`read`] expects, by its header and its length alone: cheap, to be
/// asked before long work begins. Values that are not finite are found by [`read`].
///
/// # Errors
/// As for [`read`], but for the values.
pub fn check(path: impl AsRef<Path>, sentences: usize) -> Result<()> {
    head(path.as_ref(), sentences).map(|_| ())
}

/// The first bytes of a file whose header fits its length and the number of sentences, and the file
/// after them. Nothing but the header was read when a file is refused, however large it is.
fn head(path: &Path, sentences: usize) -> Result<(Vec<u8>, File)> {
    let read = || trueness_core::Error::io("read", path);
    // A pipe or a device would block or never end; opening a pipe blocks already.
    let metadata = std::fs::metadata(path).map_err(read())?;
    if !metadata.is_file() {
        return Err(Error::parse(path, "expected a regular file of embeddings"));
    }
    let file = File::open(path).map_err(read())?;
    let mut bytes = Vec::new();
    let file = {
        let mut first = file.take(8 + MAX_SAFETENSORS_HEADER);
        first.read_to_end(&mut bytes).map_err(read())?;
        first.into_inner()
    };
    check_head(&bytes, metadata.len(), sentences).map_err(|message| Error::parse(path, message))?;
    Ok((bytes, file))
}

/// Compares what the header says with the length of the file.
fn check_head(head: &[u8], length: u64, sentences: usize) -> Result<(), String> {
    if head.starts_with(NPY_MAGIC) {
        let array = npy(head)?;
        let start = (head.len() - array.data.len()) as u64;
        return shape(&array.shape, array.number.bytes(), length.saturating_sub(start), sentences).map(|_| ());
    }
    if !looks_like_safetensors(head) {
        return Err(NEITHER.into());
    }
    let (_, start) = safetensors_header(head)?;
    let promised = crate::safetensors_file::data_bytes(&head[8..start])?;
    if (start as u64).checked_add(promised) != Some(length) {
        return Err(format!(
            "the header speaks of {promised} bytes of data, got {}",
            length.saturating_sub(start as u64)
        ));
    }
    Ok(())
}

/// The rows and dimensions of an array that has one row for each sentence and fills its bytes.
fn shape(shape: &[usize], bytes: usize, data: u64, sentences: usize) -> Result<(usize, usize), String> {
    let &[rows, dims] = shape else {
        return Err(format!("expected a two-dimensional array (sentences × dimensions), got the shape {shape:?}"));
    };
    if rows != sentences {
        return Err(format!("expected one row for each of {sentences} sentences, got {rows} rows"));
    }
    let expected = rows.checked_mul(dims).and_then(|n| n.checked_mul(bytes));
    if expected.map(|n| n as u64) != Some(data) {
        return Err(format!("expected {rows} × {dims} values of {bytes} bytes, got {data} bytes of data"));
    }
    Ok((rows, dims))
}

/// The embeddings in the bytes of a file, as for [`read`].
///
/// # Errors
/// What is wrong with the bytes, as a message without a path.
pub fn parse(bytes: &[u8], sentences: usize) -> Result<Embeddings, String> {
    let array = if bytes.starts_with(NPY_MAGIC) {
        npy(bytes)?
    } else if looks_like_safetensors(bytes) {
        safetensors(bytes)?
    } else {
        return Err(NEITHER.into());
    };
    let (rows, dims) = shape(&array.shape, array.number.bytes(), array.data.len() as u64, sentences)?;
    let mut values: Vec<f32> = array.data.chunks_exact(array.number.bytes()).map(|b| array.number.value(b)).collect();
    if array.fortran {
        // Column after column in the file: value (i, j) stands at j·rows + i.
        values = (0..rows * dims).map(|at| values[at % dims * rows + at / dims]).collect();
    }
    Embeddings::new(rows, dims, values, format!("file-d{dims}")).map_err(|error| error.to_string())
}

/// An array as it stands in a file.
struct Array<'a> {
    shape: Vec<usize>,
    number: Number,
    fortran: bool,
    data: &'a [u8],
}

#[derive(Clone, Copy)]
enum Kind {
    F16,
    Bf16,
    F32,
    F64,
}

/// How a number is stored.
#[derive(Clone, Copy)]
struct Number {
    kind: Kind,
    big_endian: bool,
}

impl Number {
    fn bytes(self) -> usize {
        match self.kind {
            Kind::F16 | Kind::Bf16 => 2,
            Kind::F32 => 4,
            Kind::F64 => 8,
        }
    }

    /// The value of [`Number::bytes`] bytes.
    fn value(self, bytes: &[u8]) -> f32 {
        // The bits as an integer, which serves all widths and both orders of bytes.
        let join = |bits: u64, &byte: &u8| bits << 8 | u64::from(byte);
        let bits = if self.big_endian { bytes.iter().fold(0, join) } else { bytes.iter().rev().fold(0, join) };
        match self.kind {
            Kind::F16 => half(bits as u16),
            Kind::Bf16 => f32::from_bits((bits as u32) << 16),
            Kind::F32 => f32::from_bits(bits as u32),
            Kind::F64 => f64::from_bits(bits) as f32,
        }
    }
}

/// The value of an IEEE 754 binary16.
fn half(bits: u16) -> f32 {
    let sign = if bits >> 15 == 1 { -1.0 } else { 1.0 };
    let (exponent, fraction) = (i32::from(bits >> 10 & 0x1f), f32::from(bits & 0x3ff));
    sign * match exponent {
        0 => fraction * 2f32.powi(-24),
        31 if fraction == 0.0 => f32::INFINITY,
        31 => f32::NAN,
        _ => (1.0 + fraction / 1024.0) * 2f32.powi(exponent - 15),
    }
}

/// Reads `.npy`, versions 1 to 3 (NumPy enhancement proposal 1).
fn npy(bytes: &[u8]) -> Result<Array<'_>, String> {
    let short = || "expected a .npy header, got a file that ends before it does".to_owned();
    let (length, start) = match bytes.get(6).ok_or_else(short)? {
        1 => (bytes.get(8..10).ok_or_else(short)?.iter().rev().fold(0, |n, &b| n << 8 | usize::from(b)), 10),
        2 | 3 => (bytes.get(8..12).ok_or_else(short)?.iter().rev().fold(0, |n, &b| n << 8 | usize::from(b)), 12),
        other => return Err(format!("expected .npy version 1, 2 or 3, got {other}")),
    };
    if length > MAX_NPY_HEADER {
        return Err(format!("expected a .npy header of at most {MAX_NPY_HEADER} bytes, got one of {length}"));
    }
    let header = bytes.get(start..start + length).ok_or_else(short)?;
    let header = std::str::from_utf8(header).map_err(|error| format!("the .npy header is not text: {error}"))?;
    let descr = entry(header, "descr")?.trim_matches(['\'', '"']).to_owned();
    let number = match descr.split_at_checked(1) {
        Some((order, kind)) if matches!(order, "<" | ">") => {
            let kind = match kind {
                "f2" => Some(Kind::F16),
                "f4" => Some(Kind::F32),
                "f8" => Some(Kind::F64),
                _ => None,
            };
            kind.map(|kind| Number { kind, big_endian: order == ">" })
        }
        _ => None,
    };
    let number = number.ok_or_else(|| format!("expected an array of f2, f4 or f8, got the type {descr:?}"))?;
    let fortran = match entry(header, "fortran_order")? {
        "True" => true,
        "False" => false,
        other => return Err(format!("expected fortran_order True or False, got {other:?}")),
    };
    let shape = entry(header, "shape")?;
    let sizes = shape.strip_prefix('(').and_then(|s| s.strip_suffix(')')).unwrap_or("?");
    let shape = sizes
        .split(',')
        .map(str::trim)
        .filter(|size| !size.is_empty())
        .map(|size| size.parse::<usize>().map_err(|error| format!("the shape {shape:?} is not one: {error}")))
        .collect::<Result<Vec<usize>, String>>()?;
    Ok(Array { shape, number, fortran, data: &bytes[start + length..] })
}

/// The value of a key in the header's Python dictionary: up to the next comma or brace, or the whole
/// of a tuple.
fn entry<'a>(header: &'a str, key: &str) -> Result<&'a str, String> {
    let missing = || format!("expected {key:?} in the .npy header, got {header:?}");
    let after =
        ['\'', '"'].iter().find_map(|quote| header.split_once(&format!("{quote}{key}{quote}"))).ok_or_else(missing)?.1;
    let value = after.trim_start().strip_prefix(':').ok_or_else(missing)?.trim_start();
    let end = if value.starts_with('(') { value.find(')').map(|end| end + 1) } else { value.find([',', '}']) };
    Ok(value[..end.ok_or_else(missing)?].trim_end())
}

/// The header's length in eight bytes, then JSON.
fn looks_like_safetensors(bytes: &[u8]) -> bool {
    bytes.get(8) == Some(&b'{')
}

/// The length of the header and where the data begin.
fn safetensors_header(bytes: &[u8]) -> Result<(u64, usize), String> {
    let length = bytes.get(..8).map_or(u64::MAX, |first| first.iter().rev().fold(0, |n, &b| n << 8 | u64::from(b)));
    if length > MAX_SAFETENSORS_HEADER || length + 8 > bytes.len() as u64 {
        return Err(format!(
            "expected a .safetensors header of at most {MAX_SAFETENSORS_HEADER} bytes inside the file, got one of {length}"
        ));
    }
    Ok((length, length as usize + 8))
}

fn safetensors(bytes: &[u8]) -> Result<Array<'_>, String> {
    safetensors_header(bytes)?;
    let file = SafeTensors::deserialize(bytes).map_err(|error| format!("not a .safetensors file: {error}"))?;
    let mut tensors = file.tensors();
    if tensors.len() != 1 {
        let mut names: Vec<&str> = file.names();
        names.sort_unstable();
        return Err(format!("expected a single tensor, got {}: {:?}", names.len(), names));
    }
    let (_, tensor) = tensors.remove(0);
    let kind = match tensor.dtype() {
        Dtype::F16 => Kind::F16,
        Dtype::BF16 => Kind::Bf16,
        Dtype::F32 => Kind::F32,
        Dtype::F64 => Kind::F64,
        other => return Err(format!("expected a tensor of F16, BF16, F32 or F64, got {other:?}")),
    };
    let number = Number { kind, big_endian: false };
    Ok(Array { shape: tensor.shape().to_vec(), number, fortran: false, data: tensor.data() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use npyz::WriterBuilder;
    use proptest::prelude::*;

    /// A `.npy` by an independent writer.
    fn npy_by_library<T: npyz::AutoSerialize + Copy>(shape: &[u64], order: npyz::Order, values: &[T]) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut writer =
            npyz::WriteOptions::new().default_dtype().shape(shape).order(order).writer(&mut bytes).begin_nd().unwrap();
        writer.extend(values.iter().copied()).unwrap();
        writer.finish().unwrap();
        bytes
    }

    /// A `.npy` with any header.
    fn npy_with(header: &str, data: &[u8]) -> Vec<u8> {
        [&b"\x93NUMPY\x01\x00"[..], &(header.len() as u16).to_le_bytes(), header.as_bytes(), data].concat()
    }

    fn safetensors_with(header: &str, data: &[u8]) -> Vec<u8> {
        [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), data].concat()
    }

    fn message(bytes: &[u8]) -> String {
        parse(bytes, 2).unwrap_err()
    }

    #[test]
    fn arrays_of_an_independent_writer_are_read_in_both_orders() {
        let values = [1.0f32, 2.0, 3.0, 4.0, 5.0, 6.0];
        let read = parse(&npy_by_library(&[2, 3], npyz::Order::C, &values), 2).unwrap();
        assert_eq!((read.rows(), read.dims(), read.data()), (2, 3, &values[..]));
        let by_columns = [1.0f64, 4.0, 2.0, 5.0, 3.0, 6.0];
        assert_eq!(parse(&npy_by_library(&[2, 3], npyz::Order::Fortran, &by_columns), 2).unwrap(), read);
    }

    #[test]
    fn half_precision_and_big_endian_are_read() {
        // 1.5, −2, 2⁻²⁴ and 65504 are 0x3e00, 0xc000, 0x0001 and 0x7bff (IEEE 754).
        let header = "{'descr': '>f2', 'fortran_order': False, 'shape': (2, 2), }\n";
        let bytes = npy_with(header, &[0x3e, 0x00, 0xc0, 0x00, 0x00, 0x01, 0x7b, 0xff]);
        assert_eq!(parse(&bytes, 2).unwrap().data(), [1.5, -2.0, 2f32.powi(-24), 65504.0]);
        assert!(half(0x7c01).is_nan() && half(0xfc00) == f32::NEG_INFINITY);
        let bf16 =
            safetensors_with(r#"{"x":{"dtype":"BF16","shape":[2,1],"data_offsets":[0,4]}}"#, &[0xc0, 0x3f, 0x00, 0xc0]);
        assert_eq!(parse(&bf16, 2).unwrap().data(), [1.5, -2.0]);
    }

    #[test]
    fn wrong_shapes_and_types_are_named() {
        let values = [0.0f32; 6];
        assert!(message(&npy_by_library(&[6], npyz::Order::C, &values)).contains("got the shape [6]"));
        assert!(message(&npy_by_library(&[3, 2], npyz::Order::C, &values)).contains("2 sentences, got 3 rows"));
        assert!(message(&npy_by_library(&[2, 3], npyz::Order::C, &[0i32; 6])).contains("got the type \"<i4\""));
        let nan = npy_by_library(&[2, 1], npyz::Order::C, &[0.0, f32::NAN]);
        assert!(message(&nan).contains("got NaN in row 1"));
        // 1e300 is finite in f64 and is not in f32.
        assert!(message(&npy_by_library(&[2, 1], npyz::Order::C, &[0.0f64, 1e300])).contains("got inf in row 1"));
        let two = r#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"b":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}"#;
        assert!(message(&safetensors_with(two, &[0; 8])).contains("a single tensor, got 2: [\"a\", \"b\"]"));
        assert!(message(b"hello").contains("got neither"));
    }

    #[test]
    fn sizes_in_headers_allocate_nothing() {
        let giant = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 9223372036854775807), }\n";
        assert!(message(&npy_with(giant, &[0; 8])).contains("got 8 bytes of data"));
        let beyond = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 99999999999999999999), }\n";
        assert!(message(&npy_with(beyond, &[])).contains("is not one"));
        assert!(message(b"\x93NUMPY\x02\x00\xff\xff\xff\xff").contains("at most 10000 bytes"));
        let object = "{'descr': '|O', 'fortran_order': False, 'shape': (2, 1), }\n";
        assert!(message(&npy_with(object, &[0; 8])).contains("got the type \"|O\""));
        assert!(message(&[&u64::MAX.to_le_bytes()[..], b"{}"].concat()).contains("inside the file"));
    }

    #[test]
    fn a_safetensors_file_is_read_from_disk() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.safetensors");
        let data: Vec<u8> = [1.0f32, -1.0].iter().flat_map(|x| x.to_le_bytes()).collect();
        let view = safetensors::tensor::TensorView::new(Dtype::F32, vec![1, 2], &data).unwrap();
        std::fs::write(&path, safetensors::serialize([("x", view)], None).unwrap()).unwrap();
        let read = super::read(&path, 1).unwrap();
        assert_eq!((read.data(), read.signature()), (&[1.0, -1.0][..], "file-d2"));
        let error = super::read(&path, 3).unwrap_err().to_string();
        assert!(error.contains("x.safetensors: expected one row for each of 3 sentences, got 1 rows"), "{error}");
    }

    #[test]
    fn a_file_that_is_larger_than_its_header_says_is_refused_by_its_header() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        // A hole of a terabyte takes no room on the disk and would take all of the memory.
        let swollen = |bytes: &[u8]| {
            std::fs::write(&path, bytes).unwrap();
            File::options().write(true).open(&path).unwrap().set_len(1 << 40).unwrap();
            (check(&path, 2).unwrap_err().to_string(), super::read(&path, 2).unwrap_err().to_string())
        };
        let header = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 2), }\n";
        let (checked, read) = swollen(&npy_with(header, &[0; 16]));
        assert!(checked.contains("expected 2 × 2 values of 4 bytes, got 1099511627"), "{checked}");
        assert_eq!(checked, read);
        let header = r#"{"x":{"dtype":"F32","shape":[2,2],"data_offsets":[0,16]}}"#;
        assert!(swollen(&safetensors_with(header, &[0; 16])).0.contains("16 bytes of data"));
        assert!(swollen(b"some words").0.contains("got neither"));
        assert!(super::read(folder.path(), 2).unwrap_err().to_string().contains("a regular file"));
    }

    #[cfg(unix)]
    #[test]
    fn a_device_is_no_file_of_embeddings() {
        assert!(super::read("/dev/zero", 2).unwrap_err().to_string().contains("a regular file"));
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(tail in prop::collection::vec(any::<u8>(), 0..80), kind in 0..3, at in 0usize..90, byte in any::<u8>()) {
            let mut bytes = match kind {
                0 => npy_with("{'descr': '<f4', 'fortran_order': True, 'shape': (2, 2), }\n", &tail),
                1 => safetensors_with(r#"{"x":{"dtype":"F32","shape":[2,2],"data_offsets":[0,16]}}"#, &tail),
                _ => tail,
            };
            if let Some(x) = bytes.get_mut(at) {
                *x = byte;
            }
            // What the header alone refuses, the whole is refused for too.
            if check_head(&bytes, bytes.len() as u64, 2).is_err() {
                prop_assert!(parse(&bytes, 2).is_err());
            }
        }
    }
}
