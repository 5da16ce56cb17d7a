//! nginx that answers every request with the same few bytes: the floor of HTTP, on a free port and in a folder of its own.

use std::{fs, net::SocketAddr, path::Path, process::Command};

use anyhow::Context as _;

use super::process::Process;

/// Starts it with a worker for each CPU.
pub(crate) fn start(address: SocketAddr, folder: &Path) -> anyhow::Result<Process> {
    let config = folder.join("nginx.conf");
    fs::write(&config, text(address, folder)).context("cannot write nginx's configuration")?;
    let mut command = Command::new("nginx");
    command.arg("-c").arg(config).arg("-e").arg("stderr");
    Process::start(&mut command, folder.join("nginx.log"))
}

/// Connections stay open however many requests they carry; each worker has a queue of its own.
fn text(address: SocketAddr, folder: &Path) -> String {
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|kind| format!("{kind}_temp_path {}/{kind};\n", folder.display()))
        .concat();
    format!(
        "daemon off;\nworker_processes auto;\nerror_log stderr warn;\npid {}/nginx.pid;\n\
         events {{ worker_connections 4096; }}\n\
         http {{\n{temporary}access_log off;\ntcp_nodelay on;\nkeepalive_requests 1000000000;\n\
         server {{\nlisten {address} reuseport;\n\
         location / {{ default_type text/plain; return 200 \"123456\"; }}\n}}\n}}\n",
        folder.display()
    )
}
