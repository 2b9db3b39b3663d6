//! A module's parameters as a safetensors file, under their dotted paths, for example
//! `highway.gate.weight`.
//!
//! Burn's own store reads and writes such files too, but ends the whole process if anything panics while
//! it loads, and keeps no identities of parameters, which resuming needs; here every difference is an
//! error that names the file and the tensor.

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param, ParamId};
use burn::tensor::{Bool, DType, Int, Tensor, TensorData};
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use std::collections::BTreeMap;
use std::path::Path;
use trueness_core::{Error, Result};

/// The values of all parameters of a module, by dotted path.
///
/// # Errors
/// [`Error::Failed`] if a device does not hand its values out.
pub fn named<M: Module>(module: &M) -> Result<BTreeMap<String, TensorData>> {
    let mut reader = Reader::default();
    module.visit(&mut reader);
    match reader.error {
        Some(error) => Err(Error::Failed(error)),
        None => Ok(reader.values),
    }
}

/// The identities of all parameters, by dotted path. An optimiser keeps its state under them, so they
/// have to be restored with the weights where a training goes on.
pub fn ids<M: Module>(module: &M) -> BTreeMap<String, u64> {
    let mut reader = Reader { only_ids: true, ..Reader::default() };
    module.visit(&mut reader);
    reader.ids
}

/// Writes a module's parameters to a file.
///
/// # Errors
/// [`Error::Failed`] if the values cannot be had or written.
pub fn save<M: Module>(module: &M, path: &Path) -> Result<()> {
    save_under(module, "", path)
}

/// As [`save`], with a prefix before every name, and marked as PyTorch's layout where there is one, which
/// `transformers` asks for.
///
/// # Errors
/// As for [`save`].
pub fn save_under<M: Module>(module: &M, prefix: &str, path: &Path) -> Result<()> {
    let values = named(module)?;
    let mut views = Vec::with_capacity(values.len());
    for (name, value) in &values {
        let dtype = to_file_type(value.dtype()).ok_or_else(|| {
            Error::Failed(format!("parameter `{name}` has a type that is not kept: {:?}", value.dtype()))
        })?;
        let view = TensorView::new(dtype, value.shape().to_vec(), value.as_bytes())
            .map_err(|error| Error::Failed(format!("parameter `{name}`: {error}")))?;
        views.push((format!("{prefix}{name}"), view));
    }
    let format = (!prefix.is_empty()).then(|| [("format".to_owned(), "pt".to_owned())].into());
    safetensors::serialize_to_file(views, format, path)
        .map_err(|error| Error::Failed(format!("cannot write {}: {error}", path.display())))
}

/// The module with all floating-point parameters in another type, for example in double precision.
///
/// # Errors
/// [`Error::Failed`] if a device does not hand its values out, or the type is no floating-point one.
pub fn cast<M: Module>(module: M, dtype: DType) -> Result<M> {
    if !dtype.is_float() {
        return Err(Error::Failed(format!("parameters cannot be cast to {dtype:?}: expected a floating-point type")));
    }
    let mut caster = Caster { dtype, error: None };
    let module = module.map(&mut caster);
    match caster.error {
        Some(error) => Err(Error::Failed(error)),
        None => Ok(module),
    }
}

/// A module between two of the same shape: every floating-point parameter is `share` of the module's own and the rest of `other`'s,
/// except those whose path begins with `shared`, which are `other`'s.
///
/// # Errors
/// [`Error::Failed`] if a device does not hand its values out, or the modules differ.
pub fn blend<M: Module>(module: M, other: &M, share: f64, shared: &str) -> Result<M> {
    let mut blender = Blender { other: named(other)?, share, shared, path: Vec::new(), error: None };
    let module = module.map(&mut blender);
    match blender.error {
        Some(error) => Err(Error::Failed(error)),
        None => Ok(module),
    }
}

struct Blender<'a> {
    other: BTreeMap<String, TensorData>,
    share: f64,
    shared: &'a str,
    path: Vec<String>,
    error: Option<String>,
}

impl ModuleMapper for Blender<'_> {
    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.pop();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let name = self.path.join(".");
        let own = param.val();
        let Some(other) = self.other.remove(&name).filter(|data| data.shape().to_vec() == own.dims().to_vec()) else {
            self.error = Some(format!("parameter `{name}` has no counterpart of its shape"));
            return param;
        };
        let other = Tensor::from_data(other, (&param.lazy_device(), own.dtype()));
        let blended = match name.starts_with(self.shared) && !self.shared.is_empty() {
            true => other,
            false => own.mul_scalar(self.share) + other.mul_scalar(1.0 - self.share),
        };
        let id = param.id;
        param.transform_for_load(blended, id)
    }
}

/// The module with the parameters of a file. Names and shapes have to be the module's own. Floating-point
/// numbers of any precision are converted to the module's own type, and so are integers.
///
/// # Errors
/// [`Error::Io`] if the file cannot be read; [`Error::Input`] if it is no safetensors file, or if a
/// parameter is missing, left over, of another shape, of another kind of number, or too large for the
/// module's type: the message lists them.
pub fn load<M: Module>(module: M, path: &Path) -> Result<M> {
    load_with_ids(module, path, &BTreeMap::new())
}

/// As [`load`], giving the parameters the identities that [`ids`] told, so that an optimiser's state
/// finds them again.
///
/// # Errors
/// As for [`load`].
pub fn load_with_ids<M: Module>(module: M, path: &Path, ids: &BTreeMap<String, u64>) -> Result<M> {
    let bytes = std::fs::read(path).map_err(Error::io("read", path))?;
    let file = SafeTensors::deserialize(&bytes)
        .map_err(|error| Error::Input(format!("{} is not a sound safetensors file: {error}", path.display())))?;
    load_tensors(module, file.tensors().into_iter().collect(), ids, path)
}

/// As [`load_with_ids`], from tensors by name; `path` is what errors name.
///
/// # Errors
/// [`Error::Input`] as for [`load`].
pub fn load_tensors<M: Module>(
    module: M,
    tensors: BTreeMap<String, TensorView<'_>>,
    ids: &BTreeMap<String, u64>,
    path: &Path,
) -> Result<M> {
    let mut writer = Writer { tensors, ids, path: Vec::new(), problems: Vec::new() };
    let module = module.map(&mut writer);
    for name in writer.tensors.keys() {
        writer.problems.push(format!("`{name}` is no parameter of this network"));
    }
    if writer.problems.is_empty() {
        return Ok(module);
    }
    writer.problems.sort_unstable();
    let more = writer.problems.len().saturating_sub(5);
    let shown = writer.problems.iter().take(5).cloned().collect::<Vec<_>>().join("; ");
    let more = if more > 0 { format!("; and {more} more") } else { String::new() };
    Err(Error::Input(format!("{} does not fit this network: {shown}{more}", path.display())))
}

/// Burn's element types and those of the file. Booleans and quantised numbers are not kept.
const TYPES: [(DType, Dtype); 12] = [
    (DType::F64, Dtype::F64),
    (DType::F32, Dtype::F32),
    (DType::F16, Dtype::F16),
    (DType::BF16, Dtype::BF16),
    (DType::I64, Dtype::I64),
    (DType::I32, Dtype::I32),
    (DType::I16, Dtype::I16),
    (DType::I8, Dtype::I8),
    (DType::U64, Dtype::U64),
    (DType::U32, Dtype::U32),
    (DType::U16, Dtype::U16),
    (DType::U8, Dtype::U8),
];

fn to_file_type(dtype: DType) -> Option<Dtype> {
    TYPES.iter().find(|(ours, _)| *ours == dtype).map(|(_, file)| *file)
}

fn from_file_type(dtype: Dtype) -> Option<DType> {
    TYPES.iter().find(|(_, file)| *file == dtype).map(|(ours, _)| *ours)
}

#[derive(Default)]
struct Reader {
    path: Vec<String>,
    only_ids: bool,
    ids: BTreeMap<String, u64>,
    values: BTreeMap<String, TensorData>,
    error: Option<String>,
}

impl Reader {
    fn keep(&mut self, id: ParamId, data: impl FnOnce() -> Result<TensorData, String>) {
        let name = self.path.join(".");
        self.ids.insert(name.clone(), id.val());
        if self.only_ids {
            return;
        }
        match data() {
            Ok(data) => drop(self.values.insert(name, data)),
            Err(error) => self.error = Some(format!("parameter `{name}` could not be read: {error}")),
        }
    }
}

impl ModuleVisitor for Reader {
    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.keep(param.id, || param.val().try_into_data().map_err(|error| error.to_string()));
    }

    fn visit_int<const D: usize>(&mut self, param: &Param<Tensor<D, Int>>) {
        self.keep(param.id, || param.val().try_into_data().map_err(|error| error.to_string()));
    }

    fn visit_bool<const D: usize>(&mut self, param: &Param<Tensor<D, Bool>>) {
        self.keep(param.id, || Err("a file of weights keeps no booleans".to_owned()));
    }
}

/// The data in another type of the same kind; `None` where a number does not fit into it.
fn converted(data: TensorData, to: DType) -> Option<TensorData> {
    let from = data.dtype();
    if from == to {
        return Some(data);
    }
    let result = data.clone().try_cast(to).ok()?;
    let fits = if to.is_float() {
        // Rounding is what is asked for; an overflow to infinity is not.
        data.iter::<f64>().zip(result.iter::<f64>()).all(|(a, b)| a.is_finite() == b.is_finite())
    } else {
        result.clone().try_cast(from).is_ok_and(|back| back.as_bytes() == data.as_bytes())
    };
    fits.then_some(result)
}

struct Caster {
    dtype: DType,
    error: Option<String>,
}

impl ModuleMapper for Caster {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        match param.val().try_into_data().map(|data| data.try_cast(self.dtype)) {
            Ok(Ok(data)) => {
                let tensor = Tensor::from_data(data, (&param.lazy_device(), self.dtype));
                let id = param.id;
                param.transform_for_load(tensor, id)
            }
            Ok(Err(error)) => {
                self.error = Some(format!("a parameter cannot be cast: {error}"));
                param
            }
            Err(error) => {
                self.error = Some(format!("a parameter cannot be read: {error}"));
                param
            }
        }
    }
}

struct Writer<'a> {
    /// What no parameter has taken yet.
    tensors: BTreeMap<String, TensorView<'a>>,
    ids: &'a BTreeMap<String, u64>,
    path: Vec<String>,
    problems: Vec<String>,
}

impl Writer<'_> {
    /// The data for the parameter at the current path in its own type, and the identity it is to have.
    fn take(&mut self, id: ParamId, shape: &[usize], own: DType) -> Option<(TensorData, ParamId)> {
        let float = own.is_float();
        let name = self.path.join(".");
        let Some(view) = self.tensors.remove(&name) else {
            self.problems.push(format!("`{name}` is missing"));
            return None;
        };
        if view.shape() != shape {
            self.problems.push(format!("`{name}` should have shape {shape:?} and has {:?}", view.shape()));
            return None;
        }
        let Some(dtype) = from_file_type(view.dtype()).filter(|dtype| dtype.is_float() == float) else {
            let expected = if float { "floating-point numbers" } else { "integers" };
            self.problems.push(format!("`{name}` should hold {expected} and holds {}", view.dtype()));
            return None;
        };
        let data = TensorData::from_bytes_vec(view.data().to_vec(), shape.to_vec(), dtype);
        match converted(data, own) {
            Some(data) => Some((data, self.ids.get(&name).map_or(id, |&id| ParamId::from(id)))),
            None => {
                self.problems.push(format!("`{name}` holds numbers that are too large for {own:?}"));
                None
            }
        }
    }
}

impl ModuleMapper for Writer<'_> {
    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.pop();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let own = param.val().dtype();
        match self.take(param.id, &param.lazy_shape().to_vec(), own) {
            Some((data, id)) => {
                let tensor = Tensor::from_data(data, (&param.lazy_device(), own));
                param.transform_for_load(tensor, id)
            }
            None => param,
        }
    }

    fn map_int<const D: usize>(&mut self, param: Param<Tensor<D, Int>>) -> Param<Tensor<D, Int>> {
        let own = param.val().dtype();
        match self.take(param.id, &param.lazy_shape().to_vec(), own) {
            Some((data, id)) => {
                let tensor = Tensor::from_data(data, (&param.lazy_device(), own));
                param.transform_for_load(tensor, id)
            }
            None => param,
        }
    }

    fn map_bool<const D: usize>(&mut self, param: Param<Tensor<D, Bool>>) -> Param<Tensor<D, Bool>> {
        self.problems.push(format!("`{}` holds booleans, which a file of weights does not keep", self.path.join(".")));
        param
    }
}
