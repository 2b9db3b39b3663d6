use crate::toy::{Toy, ToyTask, config, network, train, train_until};
use std::fs;
use trueness_core::{Error, Result, Seed, Watch};
use trueness_nn::burn::tensor::{Tensor, TensorData};
use trueness_nn::{Best, Checkpoints, FitConfig, Fitted, Goal, Task, TextCnn, TextCnnConfig, weights};

fn task() -> ToyTask {
    ToyTask(Toy::new(70, 8, 1), Toy::new(40, 8, 2))
}

/// Two trainings are the same to the last bit.
fn assert_same(a: &Fitted<TextCnn>, b: &Fitted<TextCnn>) {
    assert_eq!(a.history, b.history);
    assert_eq!((a.best, a.steps), (b.best, b.steps));
    let (a, b) = (weights::named(&a.model).unwrap(), weights::named(&b.model).unwrap());
    assert_eq!(a.len(), 11);
    for (name, value) in &a {
        assert_eq!(value.as_bytes(), b[name].as_bytes(), "{name}");
    }
}

#[test]
fn interrupted_and_resumed_is_the_same_as_uninterrupted() {
    // 70 items in batches of 16 make 5 steps an epoch: an interruption before the first step, within an
    // epoch, at its end and within the last one.
    let whole = train(&task(), &network(), &config(), None).unwrap();
    assert_eq!(whole.steps, 15);
    for stops in [vec![0], vec![3], vec![5], vec![2, 7, 13]] {
        let folder = tempfile::tempdir().unwrap();
        let checkpoints = Checkpoints::new(folder.path(), 2).unwrap();
        for stop in stops {
            train_until(&task(), &config(), Some(&checkpoints), stop);
        }
        assert_same(&whole, &train(&task(), &network(), &config(), Some(&checkpoints)).unwrap());
        // A finished training is not done again.
        assert_same(&whole, &train(&task(), &network(), &config(), Some(&checkpoints)).unwrap());
    }
}

#[test]
fn a_killed_training_goes_on_from_the_last_checkpoint() {
    let whole = train(&task(), &network(), &config(), None).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let checkpoints = Checkpoints::new(folder.path(), 100).unwrap();
    let often = FitConfig { checkpoint_every: Some(4), ..config() };
    train(&task(), &network(), &often, Some(&checkpoints)).unwrap();
    assert_eq!(checkpoints.steps().unwrap(), [4, 5, 8, 10, 12, 15]);
    // As after a kill: the later checkpoints were never written.
    for step in [10, 12, 15] {
        fs::remove_dir_all(folder.path().join(format!("step-{step:012}"))).unwrap();
    }
    assert_same(&whole, &train(&task(), &network(), &often, Some(&checkpoints)).unwrap());
}

#[test]
fn the_number_of_threads_does_not_matter() {
    // Large enough that matrix products, embeddings and maxima are spread over threads.
    let task = ToyTask(Toy::new(96, 30, 3), Toy::new(64, 30, 4));
    let network = TextCnnConfig { embedding: 96, filters: vec![96, 96], ..network() };
    let config = FitConfig { batch: 48, epochs: 2, ..config() };
    let on = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| train(&task, &network, &config, None)).unwrap()
    };
    let one = on(1);
    assert_same(&one, &on(2));
    assert_same(&one, &on(3));
}

#[test]
fn a_separable_task_is_learned() {
    let task = ToyTask(Toy::new(400, 8, 5), Toy::new(200, 8, 6));
    let fitted = train(&task, &network(), &FitConfig { epochs: 12, ..config() }, None).unwrap();
    assert!(fitted.best.metric > 0.95, "{:?}", fitted.history);
    assert_eq!(task.1.accuracy(&fitted.model), fitted.best.metric);
    assert!(fitted.history.last().unwrap().train_loss < fitted.history[0].train_loss);
}

/// A task whose validation metric is told beforehand.
struct Told<'a>(ToyTask, std::cell::RefCell<std::slice::Iter<'a, f64>>);

impl Task for Told<'_> {
    type Model = TextCnn;

    fn n_train(&self) -> usize {
        self.0.n_train()
    }

    fn loss(&self, model: &TextCnn, batch: &[usize], seed: Seed) -> Result<Tensor<1>> {
        self.0.loss(model, batch, seed)
    }

    fn validate(&self, _model: &TextCnn, _watch: Watch<'_>) -> Result<f64> {
        Ok(*self.1.borrow_mut().next().unwrap())
    }

    fn signature(&self) -> String {
        self.0.signature()
    }
}

fn told(metrics: &[f64], config: &FitConfig) -> Result<Fitted<TextCnn>> {
    let task = Told(task(), std::cell::RefCell::new(metrics.iter()));
    let model = network().init(&trueness_nn::device::parse("cpu").unwrap(), Seed::new(1)).unwrap();
    let cancel = trueness_core::Cancel::default();
    trueness_nn::fit(
        &task,
        model,
        crate::toy::adam(),
        config,
        Seed::new(2),
        None,
        Watch::new(&cancel, &trueness_core::Silent),
    )
}

#[test]
fn patience_counts_epochs_since_the_first_best() {
    let config = FitConfig { epochs: 9, patience: Some(2), ..config() };
    let fitted = told(&[0.1, 0.5, 0.5, 0.4, 0.9], &config).unwrap();
    assert_eq!((fitted.best, fitted.history.len()), (Best { epoch: 2, metric: 0.5 }, 4));
    let config = FitConfig { goal: Goal::Minimize, ..config };
    let fitted = told(&[0.9, 0.5, 0.6, 0.4, 0.4, 0.5, 0.1], &config).unwrap();
    assert_eq!((fitted.best, fitted.history.len()), (Best { epoch: 4, metric: 0.4 }, 6));
}

#[test]
fn the_best_weights_come_back_not_the_last() {
    let one = told(&[0.5], &FitConfig { epochs: 1, ..config() }).unwrap();
    let three = told(&[0.5, 0.4, 0.3], &config()).unwrap();
    let (a, b) = (weights::named(&one.model).unwrap(), weights::named(&three.model).unwrap());
    for (name, value) in &a {
        assert_eq!(value.as_bytes(), b[name].as_bytes(), "{name}");
    }
}

#[test]
fn what_makes_no_sense_is_refused() {
    let message = |config: FitConfig| train(&task(), &network(), &config, None).unwrap_err().to_string();
    assert!(message(FitConfig { epochs: 0, ..config() }).contains("at least 1"));
    assert!(message(FitConfig { learning_rate: f64::NAN, ..config() }).contains("learning rate"));
    assert!(message(FitConfig { learning_rate: 1e30, clip_norm: None, ..config() }).contains("smaller learning rate"));
    assert!(told(&[f64::NAN], &config()).unwrap_err().to_string().contains("metric"));
}

#[test]
fn other_settings_and_damage_are_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let checkpoints = Checkpoints::new(folder.path(), 2).unwrap();
    train_until(&task(), &config(), Some(&checkpoints), 7);
    let go_on = |task: &ToyTask, config: &FitConfig| train(task, &network(), config, Some(&checkpoints)).unwrap_err();
    let other = go_on(&task(), &FitConfig { learning_rate: 0.02, ..config() });
    assert!(matches!(other, Error::Input(_)));
    assert!(other.to_string().contains("learning_rate was 0.01 and is 0.02"), "{other}");
    let other = go_on(&ToyTask(Toy::new(71, 8, 1), Toy::new(40, 8, 2)), &config());
    assert!(other.to_string().contains("n:70") && other.to_string().contains("n:71"), "{other}");

    let model = checkpoints.latest().unwrap().unwrap().join("model.safetensors");
    let mut bytes = fs::read(&model).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    fs::write(&model, bytes).unwrap();
    let damaged = go_on(&task(), &config());
    assert!(matches!(damaged, Error::Input(_)));
    assert!(damaged.to_string().contains("`model.safetensors` is not as it was written"), "{damaged}");
}

#[test]
fn clipping_bounds_the_joint_norm() {
    use trueness_nn::burn::module::{Module, Param};
    use trueness_nn::burn::optim::GradientsParams;
    // The gradient of Σ 3x + Σ 4y, x and y of one element each, is (3, 4), of norm 5.
    let device = trueness_nn::device::parse("cpu").unwrap().autodiff();
    let param = |value: f32| Param::<Tensor<1>>::from_data(TensorData::from([value]), &device);
    let pair = vec![param(1.0), param(2.0)];
    let loss = pair[0].val().mul_scalar(3.0).sum() + pair[1].val().mul_scalar(4.0).sum();
    let mut gradients = GradientsParams::from_grads(loss.backward(), &pair);
    let mut clip = |largest| trueness_nn::gradient::clip_joint_norm(&mut gradients, &pair, largest).unwrap();
    assert_eq!(clip(10.0), 5.0);
    assert_eq!(clip(1.0), 5.0);
    assert!((clip(1.0) - 1.0).abs() < 1e-6);
    let x: f32 = gradients.get::<1>(pair[0].id).unwrap().into_scalar();
    assert!((x - 0.6).abs() < 1e-6);
    assert_eq!(pair.num_params(), 2);
}
