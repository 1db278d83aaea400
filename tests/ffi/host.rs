// Rust without any crate, through the C interface: rustc host.rs -l modnas
// A backbone with a callback, one step of ask and tell, frees in the wrong order, an error's text.
use std::ffi::CStr;
use std::mem::{size_of, zeroed};
use std::os::raw::{c_char, c_int, c_void};
use std::ptr::{null, null_mut};

type Ptr = *mut c_void;

macro_rules! c {
    ($text:expr) => {
        concat!($text, "\0").as_ptr() as *const c_char
    };
}

#[repr(C)]
struct ModuleVt {
    size: usize,
    build: extern "C" fn(Ptr, *const c_void, Ptr) -> c_int,
    forward: extern "C" fn(Ptr, Ptr, *const Ptr, i32, *mut Ptr, Ptr) -> c_int,
}
#[repr(C)]
struct Component {
    size: usize,
    kind: *const c_char,
    name: *const c_char,
    text: *const c_char,
    args: *const c_char,
    vt: *const c_void,
    ud: Ptr,
    ud_free: *const c_void,
}
#[repr(C)]
struct DataSource {
    size: usize,
    n: i64,
    dims: [i32; 3],
    n_classes: i32,
    thread_safe: i32,
    reserved: i32,
    sample: extern "C" fn(i64, *mut f32, *mut i32, Ptr) -> c_int,
    ud: Ptr,
    ud_free: *const c_void,
}
#[repr(C)]
#[derive(Clone, Copy)]
struct Metric {
    name: *const c_char,
    value: f64,
}

extern "C" {
    fn modnas_ctx_new(opts: *const c_void, out: *mut Ptr) -> c_int;
    fn modnas_ctx_free(ctx: Ptr);
    fn modnas_errmsg(ctx: Ptr) -> *const c_char;
    fn modnas_registry_register(ctx: Ptr, c: *const Component) -> c_int;
    fn modnas_data_register(ctx: Ptr, name: *const c_char, source: *const DataSource) -> c_int;
    fn modnas_module_model(m: Ptr) -> Ptr;
    fn modnas_module_child(m: Ptr, name: *const c_char) -> Ptr;
    fn modnas_module_add(m: Ptr, name: *const c_char, kind: *const c_char, args: *const c_char, out: *mut Ptr) -> c_int;
    fn modnas_model_set_input(model: Ptr, c: i32, h: i32, w: i32) -> c_int;
    fn modnas_forward(m: Ptr, tape: Ptr, src: Ptr, dst: *mut Ptr) -> c_int;
    fn modnas_config_new(ctx: Ptr, out: *mut Ptr) -> c_int;
    fn modnas_config_free(cfg: Ptr);
    fn modnas_config_add_text(cfg: Ptr, text: *const c_char, bytes: usize, name: *const c_char) -> c_int;
    fn modnas_config_check(cfg: Ptr) -> c_int;
    fn modnas_search_new(cfg: Ptr, opts: *const c_void, out: *mut Ptr) -> c_int;
    fn modnas_search_free(s: Ptr);
    fn modnas_search_ask(s: Ptr, n: i32, archs: *mut Ptr, n_out: *mut i32) -> c_int;
    fn modnas_search_train(s: Ptr, arch: Ptr, steps: i64, loss: *mut f64) -> c_int;
    fn modnas_search_evaluate(s: Ptr, arch: Ptr, m: *mut Metric, cap: i32, n: *mut i32) -> c_int;
    fn modnas_search_tell(s: Ptr, arch: Ptr, status: i32, m: *const Metric, n: i32) -> c_int;
    fn modnas_arch_free(a: Ptr);
}

type Text = *const c_char;
fn layers() -> [(Text, Text, Text); 4] {
    [
        (c!("stem"), c!("ConvBNAct"), c!("in_channels: 1, out_channels: 8")),
        (c!("slot"), c!("Slot"), c!("chn_in: 8, chn_out: 8")),
        (c!("pool"), c!("GlobalAvgPool"), null()),
        (c!("fc"), c!("Linear"), c!("in_features: 8, out_features: 2")),
    ]
}

extern "C" fn build(m: Ptr, _args: *const c_void, _ud: Ptr) -> c_int {
    unsafe {
        let mut rc = modnas_model_set_input(modnas_module_model(m), 1, 6, 6);
        for (name, kind, args) in layers() {
            if rc == 0 {
                rc = modnas_module_add(m, name, kind, args, null_mut());
            }
        }
        rc
    }
}

extern "C" fn forward(m: Ptr, tape: Ptr, src: *const Ptr, _n: i32, dst: *mut Ptr, _ud: Ptr) -> c_int {
    unsafe {
        let mut x = *src;
        for (name, _, _) in layers() {
            let rc = modnas_forward(modnas_module_child(m, name), tape, x, &mut x);
            if rc != 0 {
                return rc;
            }
        }
        *dst = x;
        0
    }
}

extern "C" fn sample(index: i64, dst: *mut f32, label: *mut i32, _ud: Ptr) -> c_int {
    unsafe {
        *label = (index % 2) as i32;
        for i in 0..36 {
            *dst.add(i) = (i % (2 + *label as usize)) as f32;
        }
    }
    0
}

const YAML: &str = "
backend: ref
threads: 1
model: RustNet
mixed_op: {type: IndexMixedOp, candidates: [MB3E1, MB3E3]}
train_data: RustData
data_loader: {type: DefaultDataLoader, args: {trn_batch_size: 4, val_batch_size: 4, valid_size: 4}}
trainer: {default: {type: ImageClsTrainer, args: {optimizer: {type: SGD, args: {lr: 0.1}}}}}
optim: RandomSearchOptim
";

fn main() {
    unsafe {
        let (mut ctx, mut cfg, mut bad, mut search, mut arch) = (null_mut(), null_mut(), null_mut(), null_mut(), null_mut());
        assert_eq!(modnas_ctx_new(null(), &mut ctx), 0);
        let text = || CStr::from_ptr(modnas_errmsg(ctx)).to_string_lossy().into_owned();
        let check = |status: c_int| assert!(status == 0, "{}: {}", status, text());

        let vt = ModuleVt { size: size_of::<ModuleVt>(), build, forward };
        let mut net: Component = zeroed();
        net.size = size_of::<Component>();
        net.kind = c!("model");
        net.name = c!("RustNet");
        net.vt = &vt as *const ModuleVt as *const c_void;
        check(modnas_registry_register(ctx, &net));
        let data = DataSource { size: size_of::<DataSource>(), n: 16, dims: [1, 6, 6], n_classes: 2, thread_safe: 0, reserved: 0, sample, ud: null_mut(), ud_free: null() };
        check(modnas_data_register(ctx, c!("RustData"), &data));

        check(modnas_config_new(ctx, &mut cfg));
        check(modnas_config_add_text(cfg, YAML.as_ptr() as *const c_char, YAML.len(), c!("rust")));
        check(modnas_search_new(cfg, null(), &mut search));
        let (mut n, mut loss, mut metrics) = (0, 0.0, [Metric { name: null(), value: 0.0 }; 8]);
        check(modnas_search_ask(search, 1, &mut arch, &mut n));
        check(modnas_search_train(search, arch, 2, &mut loss));
        check(modnas_search_evaluate(search, arch, metrics.as_mut_ptr(), 8, &mut n));
        check(modnas_search_tell(search, arch, 0, metrics.as_ptr(), n));
        assert!(loss > 0.0 && n > 0);

        check(modnas_config_new(ctx, &mut bad));
        check(modnas_config_add_text(bad, c!("modle: RustNet\n"), 15, c!("rust")));
        assert_eq!(modnas_config_check(bad), -9);
        assert!(text().contains("rust:1"), "{}", text());

        modnas_ctx_free(ctx);
        modnas_config_free(cfg);
        modnas_config_free(bad);
        modnas_search_free(search);
        modnas_arch_free(arch);
        println!("Rust: an architecture asked for, trained, told; loss {loss}");
    }
}
