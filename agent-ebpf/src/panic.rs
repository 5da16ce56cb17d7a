//! What the BPF target asks for and never runs: a panic in a kernel program is refused at load.

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}
