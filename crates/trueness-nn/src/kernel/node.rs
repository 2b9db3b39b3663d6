//! One node of the autodiff graph for all kernels.
//!
//! Where all inputs of an operation are tensors of 32-bit floats on Burn's CPU backend, a kernel works
//! on their values as slices and is entered into the graph as one operation. Else the inputs come back,
//! and the caller composes the operation of Burn's own.

use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::NoCheckpointing;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::flex::{FlexTensor, Layout};
use burn::backend::tensor::FloatTensor;
use burn::backend::{
    Autodiff, BackendTensor, DispatchAutodiffContext, DispatchKindConversion, DispatchTensor, DispatchTensorKind, Flex,
};
use burn::tensor::{Bytes, DType, GradientCheckpointingStrategy, Shape};
use std::fmt::Debug;
use std::marker::PhantomData;

/// A tensor that belongs to a graph.
type Tracked = FloatTensor<Autodiff<Flex>>;

/// Contiguous values of a tensor; clones share them.
#[derive(Clone, Debug)]
pub(super) struct Values(FlexTensor);

impl Values {
    pub(super) fn new(values: Vec<f32>, shape: impl Into<Shape>) -> Self {
        let shape = shape.into();
        assert_eq!(values.len(), shape.num_elements(), "values do not fill their shape");
        Self(FlexTensor::new(Bytes::from_elems(values), Layout::contiguous(shape), DType::F32))
    }

    fn of(tensor: &FlexTensor) -> Self {
        Self(tensor.to_contiguous())
    }

    pub(super) fn slice(&self) -> &[f32] {
        // The storage may be longer than the tensor: views of a buffer share it.
        let start = self.0.layout().start_offset();
        &self.0.storage::<f32>()[start..start + self.0.layout().num_elements()]
    }

    pub(super) fn shape(&self) -> &[usize] {
        self.0.layout().shape()
    }
}

/// What an operation of N inputs needs for its gradient.
pub(super) trait Kernel<const N: usize>: Clone + Debug + Send + 'static {
    /// The gradients of those inputs that need one, given the gradient of the output.
    fn backward(self, gradient: Values, needed: [bool; N]) -> [Option<Values>; N];
}

#[derive(Debug)]
struct Op<K>(PhantomData<K>);

// Only the type is used, so that the node may cross threads whatever the kernel is.
impl<K: Kernel<N>, const N: usize> Backward<Flex, N> for Op<K> {
    type State = K;

    fn backward(self, ops: Ops<K, N>, grads: &mut Gradients, _checkpointer: &mut Checkpointer) {
        let gradient = Values::of(&grads.consume::<Flex>(&ops.node));
        let needed = ops.parents.each_ref().map(Option::is_some);
        let found = ops.state.backward(gradient, needed);
        for (parent, gradient) in ops.parents.into_iter().zip(found) {
            if let (Some(parent), Some(Values(gradient))) = (parent, gradient) {
                grads.register::<Flex>(parent.id, gradient);
            }
        }
    }
}

/// Whether a tensor is one that kernels work on.
fn on_cpu(tensor: &DispatchTensor) -> bool {
    fn float(kind: &DispatchTensorKind) -> bool {
        match kind {
            DispatchTensorKind::Flex(BackendTensor::Float(t)) => t.dtype() == DType::F32,
            DispatchTensorKind::Flex(BackendTensor::Autodiff(t)) => t.primitive().dtype() == DType::F32,
            DispatchTensorKind::Autodiff(inner) => float(inner),
            #[allow(unreachable_patterns)]
            _ => false,
        }
    }
    let plain = DispatchAutodiffContext::Disabled;
    let tracked = DispatchAutodiffContext::Enabled(GradientCheckpointingStrategy::Disabled);
    (tensor.autodiff == plain || tensor.autodiff == tracked) && float(&tensor.kind)
}

/// Runs a kernel, if the inputs are on the CPU: `forward` gets their values and whether a gradient may be
/// asked for, and returns the output with what its gradient needs.
///
/// # Errors
/// The inputs, if they are elsewhere or of another type.
pub(super) fn run<K: Kernel<N>, const N: usize>(
    inputs: [DispatchTensor; N],
    forward: impl FnOnce(&[Values; N], bool) -> (Values, Option<K>),
) -> Result<DispatchTensor, [DispatchTensor; N]> {
    if !inputs.iter().all(on_cpu) {
        return Err(inputs);
    }
    if inputs.iter().all(|input| input.autodiff == DispatchAutodiffContext::Disabled) {
        let values = inputs.map(|input| Values::of(&plain(input)));
        let (Values(output), _) = forward(&values, false);
        return Ok(<DispatchTensor as DispatchKindConversion<Flex>>::from_backend(BackendTensor::Float(output)));
    }
    let inputs = inputs.map(|input| match input.autodiff {
        DispatchAutodiffContext::Disabled => Tracked::new(plain(input)),
        DispatchAutodiffContext::Enabled(_) => tracked(input),
    });
    let values = inputs.each_ref().map(|input| Values::of(input.primitive()));
    let guards = inputs.each_ref().map(Tracked::node);
    let output = match Op::<K>(PhantomData).prepare::<NoCheckpointing>(guards).compute_bound().stateful() {
        OpsKind::Tracked(prepared) => match forward(&values, true) {
            (Values(output), Some(state)) => prepared.finish(state, output),
            (_, None) => unreachable!("a kernel that is tracked keeps what its gradient needs"),
        },
        OpsKind::UnTracked(prepared) => prepared.finish(forward(&values, false).0.0),
    };
    let output = BackendTensor::Float(output);
    Ok(<DispatchTensor as DispatchKindConversion<Autodiff<Flex>>>::from_backend(output))
}

fn plain(tensor: DispatchTensor) -> FlexTensor {
    match <DispatchTensor as DispatchKindConversion<Flex>>::try_into_backend(tensor) {
        Ok(BackendTensor::Float(tensor)) => tensor,
        _ => unreachable!("`on_cpu` was asked before"),
    }
}

fn tracked(tensor: DispatchTensor) -> Tracked {
    match <DispatchTensor as DispatchKindConversion<Autodiff<Flex>>>::try_into_backend(tensor) {
        Ok(BackendTensor::Float(tensor)) => tensor,
        _ => unreachable!("`on_cpu` was asked before"),
    }
}
