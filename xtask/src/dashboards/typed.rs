//! The dashboards against the types that Grafana publishes: `tsc` over them, as values of `@grafana/schema`.
//!
//! A dashboard that the compiler takes has no field that the schema lacks, none of another type, and panels whose
//! options are those of their kind.

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};

use super::{
    json,
    model::{Dashboard, Flavour},
    pages,
};
use crate::{command, libtest::Tally, nodejs::Node, session::Session, versions};

/// The name of this part among the tests.
pub(crate) const TEST: &str = "dashboards::typed";

/// What our files import. A value of an enum of words is that word in JSON; a panel has the options of its kind.
const TYPES: &str = "\
import type { Dashboard, DataQuery, Panel, RowPanel } from '@grafana/schema';
import type { Options as TimeSeries, FieldConfig as TimeSeriesField } from '@grafana/schema/dist/esm/raw/composable/timeseries/panelcfg/x/TimeSeriesPanelCfg_types.gen';
import type { Options as Table, FieldConfig as TableField } from '@grafana/schema/dist/esm/raw/composable/table/panelcfg/x/TablePanelCfg_types.gen';

export type Plain<T> =
  T extends string ? `${T}` :
  T extends (infer U)[] ? Plain<U>[] :
  T extends object ? { [K in keyof T]: Plain<T[K]> } : T;

interface InfluxTarget extends DataQuery {
  query: string; rawQuery: boolean; resultFormat: 'time_series' | 'table'; alias: string;
}
interface PromTarget extends DataQuery {
  expr: string; legendFormat: string; format: 'time_series' | 'table'; range: boolean; instant: boolean;
}
type Of<Kind, Options, Field> = Omit<Panel<Partial<Options>, Partial<Field>>, 'type' | 'targets' | 'options'> & {
  type: Kind; title: string; targets: (InfluxTarget | PromTarget)[]; options: Partial<Options>;
};
type Drawn = Of<'timeseries', TimeSeries, TimeSeriesField> | Of<'table', Table, TableField>;
type Event = NonNullable<NonNullable<Dashboard['annotations']>['list']>[number] & { target: Record<string, unknown> };
export type Page = Plain<Omit<Dashboard, 'panels' | 'annotations'> & {
  panels: (RowPanel | Drawn)[]; annotations: { list: Event[] };
}>;
";

/// A panel that is to be refused, so that types which believe everything are noticed.
const REFUSED: &str = "\
// @ts-expect-error A kind of line that there is not.
const refused: Page['panels'][number] = { type: 'timeseries', title: '', targets: [], options: {}, fieldConfig: { defaults: { custom: { drawStyle: 'lines' } }, overrides: [] } };
";

/// How they are read: nothing is written, and the schema's own files are believed.
const SETTINGS: &str = r#"{
  "compilerOptions": {
    "strict": true, "noEmit": true, "skipLibCheck": true, "module": "esnext",
    "moduleResolution": "bundler", "target": "es2022", "types": []
  },
  "files": ["pages.ts"]
}
"#;

/// Counts as a test that passes, fails, or is left out where the compiler or the types cannot be had.
pub(crate) fn tier(session: &Session, tally: &mut Tally) {
    session.output.step("Dashboards, against Grafana's types");
    match fetched(session) {
        Err(error) => tally.leave_out(TEST, &format!("{error:#}")),
        Ok(node) => match check(session, &node) {
            Ok(()) => tally.pass(TEST),
            Err(error) => tally.fail(TEST, &format!("{error:#}")),
        },
    }
}

fn folder(session: &Session) -> PathBuf {
    let version = versions::GRAFANA_SCHEMA;
    session
        .tree
        .tools()
        .join(format!("grafana-schema-{version}"))
}

/// Has the compiler and the types lie in their folder.
fn fetched(session: &Session) -> Result<Node> {
    let folder = folder(session);
    fs::create_dir_all(&folder).context("cannot make the folder")?;
    session.reclaim_target()?;
    let node = Node::working_in(&folder, session)?;
    let modules = folder.join("node_modules");
    let is_there = |package: &str, version: &str| {
        let text = fs::read_to_string(modules.join(package).join("package.json"));
        text.is_ok_and(|it| it.contains(&format!("\"version\": \"{version}\"")))
    };
    if !is_there("@grafana/schema", versions::GRAFANA_SCHEMA)
        || !is_there("typescript", versions::TYPESCRIPT)
    {
        let packages = [
            format!("@grafana/schema@{}", versions::GRAFANA_SCHEMA),
            format!("typescript@{}", versions::TYPESCRIPT),
        ];
        node.install(session, &folder, &packages.each_ref().map(String::as_str))?;
    }
    Ok(node)
}

fn check(session: &Session, node: &Node) -> Result<()> {
    let folder = folder(session);
    write(&folder, "types.ts", TYPES)?;
    write(&folder, "tsconfig.json", SETTINGS)?;
    write(&folder, "pages.ts", &source(&pages())?)?;
    session.reclaim_target()?;
    let compiler = folder.join("node_modules/typescript/lib/tsc.js");
    let mut tsc = node.script(session, &compiler);
    tsc.arg("--project").arg(&folder);
    command::run(&session.output, &mut tsc)
}

fn write(folder: &Path, name: &str, text: &str) -> Result<()> {
    let path = folder.join(name);
    fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))
}

/// All pages as constants of that type. JSON is an expression of the language.
fn source(pages: &[Dashboard]) -> Result<String> {
    let mut source = format!("import type {{ Page }} from './types';\n{REFUSED}");
    for flavour in Flavour::ALL {
        for page in pages {
            let json = serde_json::to_string_pretty(&json::dashboard(page, flavour)?)?;
            let name = format!("{}_{}", flavour.name(), page.name);
            writeln!(source, "export const {name} = {json} satisfies Page;")?;
        }
    }
    Ok(source)
}
