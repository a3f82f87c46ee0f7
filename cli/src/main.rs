//! This is the `tokenward` program. All of its code is in the library beside this file.

#[cfg(feature = "mimalloc")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    tokenward::run(std::env::args_os())
}
