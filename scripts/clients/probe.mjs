// The list of operations for the libraries of npm: see probe.py, whose lines it writes.

import { createHash } from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import * as hub from "@huggingface/hub";

console.log = console.info = console.debug = console.error; // what libraries print is not ours

const hubUrl = process.env.HF_ENDPOINT;
const REVIEWS = { type: "dataset", name: "sample-lab/korean-english-reviews" };
const QA = { type: "dataset", name: "sample-lab/korean-qa" };
const SENTIMENT = { type: "model", name: "sample-lab/tiny-bert-korean-sentiment" };
const LARGE = { type: "model", name: "acme/large" };
const home = mkdtempSync(join(tmpdir(), "clients-npm-"));

const sha256 = (bytes) => createHash("sha256").update(bytes).digest("hex");

async function all(items, pick = (item) => item) {
  const found = [];
  for await (const item of items) found.push(pick(item));
  return found;
}

async function raised(call) {
  try {
    await call();
  } catch (error) {
    // Without a token the Hub says 401 of what is not there, a mirror 404: both mean that.
    const missing = [401, 404].includes(error.statusCode);
    return [error.constructor.name, missing ? "missing" : (error.statusCode ?? error.message)];
  }
  throw new Error("no error");
}

async function bytesOf(repo, path, more = {}) {
  const blob = await hub.downloadFile({ repo, path, hubUrl, ...more });
  return blob && Buffer.from(await blob.arrayBuffer());
}

function folderOf(root) {
  const files = readdirSync(root, { recursive: true }).map((name) => join(root, name));
  return Object.fromEntries(
    files
      .filter((file) => statSync(file).isFile())
      .map((file) => [relative(root, file), sha256(readFileSync(file))])
      .sort(),
  );
}

const operations = {
  "repo info": async () => {
    const model = await hub.modelInfo({ name: SENTIMENT.name, hubUrl, additionalFields: ["sha", "tags", "filePaths"] });
    const data = await hub.datasetInfo({ name: REVIEWS.name, hubUrl, additionalFields: ["sha"] });
    const space = await hub.spaceInfo({ name: "sample-lab/review-demo", hubUrl });
    const old = await hub.modelInfo({ name: SENTIMENT.name, hubUrl, revision: "v1.0", additionalFields: ["sha"] });
    return {
      model: [model.name, model.sha, model.task, model.tags.sort(), model.filePaths.sort()],
      dataset: [data.name, data.sha, data.downloads],
      space: [space.name, space.likes],
      "old revision": old.sha,
      exists: [await hub.repoExists({ repo: QA, hubUrl }), await hub.repoExists({ repo: "acme/none", hubUrl })],
    };
  },
  "lists with filters": async () => {
    const name = (item) => item.name;
    const models = (search, more = {}) => all(hub.listModels({ search, hubUrl, ...more }), name);
    return {
      author: (await models({ owner: "sample-lab" })).sort(),
      filter: (await models({ owner: "sample-lab", task: "text-classification" })).sort(),
      "two filters": (await models({ owner: "sample-lab", tags: ["ko", "transformers"] })).sort(),
      search: (await models({ query: "gpt2" })).sort(),
      "sort, limit": await models({ owner: "sample-lab" }, { sort: "downloads", limit: 2 }),
      datasets: (await all(hub.listDatasets({ search: { owner: "sample-lab", tags: ["language:ko"] }, hubUrl }), name)).sort(),
      spaces: (await all(hub.listSpaces({ search: { owner: "sample-lab" }, hubUrl }), name)).sort(),
      none: await models({ query: "no-such-thing-at-all" }),
    };
  },
  tree: async () => {
    const whole = hub.listFiles({ repo: REVIEWS, recursive: true, hubUrl });
    const below = await all(hub.listFiles({ repo: REVIEWS, path: "ko", expand: true, hubUrl }));
    return {
      recursive: (await all(whole, (entry) => entry.path)).sort(),
      below: below.map((entry) => [entry.path, entry.size, entry.lfs?.oid]).sort(),
      "last commits": [...new Set(below.map((entry) => entry.lastCommit?.id))],
      files: (await all(hub.listFiles({ repo: SENTIMENT, revision: "v1.0", hubUrl }), (e) => e.path)).sort(),
    };
  },
  commits: async () => {
    const commits = await all(hub.listCommits({ repo: SENTIMENT, hubUrl }));
    return { head: commits[0].oid, history: commits.map((commit) => commit.title) };
  },
  "paths-info": async () => {
    const found = await hub.pathsInfo({ repo: SENTIMENT, paths: ["config.json", "model.safetensors", "none"], hubUrl });
    if (found.length !== 2) throw new Error(`${found.length} of 2 paths`);
    return found.map((entry) => [entry.path, entry.size, entry.oid, entry.lfs?.oid]).sort();
  },
  "hf_hub_download": async () => {
    const odd = await bytesOf({ type: "dataset", name: "acme/names" }, "많은 파일/20.txt");
    const legacy = await bytesOf("gpt2", "config.json");
    const kept = await hub.downloadFileToCacheDir({ repo: SENTIMENT, path: "config.json", revision: "v1.0", hubUrl, cacheDir: home });
    return [odd?.toString(), legacy?.toString(), readFileSync(kept, "utf-8")];
  },
  "download, resumed": async () => {
    for (let turn = 0; turn < 3; turn++) {
      try {
        return sha256(await bytesOf(LARGE, "model.safetensors", { hubUrl: process.env.PROBE_CUT }));
      } catch (error) {
        console.error(`again after ${error.constructor.name}`);
      }
    }
    throw new Error("never whole");
  },
  "snapshot_download, whole": async () => {
    const found = folderOf(await hub.snapshotDownload({ repo: REVIEWS, hubUrl, cacheDir: home }));
    return found;
  },
  "ranged read": async () => {
    const blob = await hub.downloadFile({ repo: SENTIMENT, path: "model.safetensors", revision: "v1.0", hubUrl });
    const part = async (from, to) => Buffer.from(await blob.slice(from, to).arrayBuffer()).toString("hex");
    return [blob.size, await part(5000, 5016), await part(blob.size - 8, blob.size)];
  },
  "AutoConfig": async () => {
    const { AutoConfig } = await transformers();
    const full = await AutoConfig.from_pretrained(SENTIMENT.name, { revision: "v1.0" });
    const legacy = await AutoConfig.from_pretrained("gpt2");
    return { full: full.id2label, legacy: legacy.model_type };
  },
  "AutoTokenizer": async () => {
    const { AutoTokenizer } = await transformers();
    const full = await AutoTokenizer.from_pretrained(SENTIMENT.name);
    const gpt2 = await AutoTokenizer.from_pretrained("tiny-gpt2");
    return [full.encode("이 영화는 정말 마음에 듭니다."), gpt2.decode(gpt2.encode("The restaurant was fine."))];
  },
  "missing file": async () => [
    await bytesOf(SENTIMENT, "none.json"),
    await hub.fileExists({ repo: SENTIMENT, path: "none.json", hubUrl }),
  ],
  "missing repo": async () => [
    await raised(() => hub.modelInfo({ name: "acme/none", hubUrl })),
    await raised(() => all(hub.listFiles({ repo: "acme/none", hubUrl }))),
    await raised(() => hub.snapshotDownload({ repo: "acme/none", hubUrl, cacheDir: home })),
  ],
  "missing revision": async () => [
    await raised(() => hub.modelInfo({ name: SENTIMENT.name, revision: "none", hubUrl })),
    await raised(() => all(hub.listFiles({ repo: SENTIMENT, revision: "none", hubUrl }))),
  ],
};

async function transformers() {
  const library = await import("@huggingface/transformers");
  library.env.remoteHost = `${hubUrl}/`;
  library.env.cacheDir = join(home, "transformers");
  return library;
}

for (const [operation, call] of Object.entries(operations)) {
  const record = { operation, outcome: "ok" };
  try {
    record.seen = await call();
  } catch (error) {
    record.outcome = "failed";
    record.seen = `${error.constructor.name}: ${error.message}`.slice(0, 600);
  }
  process.stdout.write(`${JSON.stringify(record)}\n`);
}
rmSync(home, { recursive: true, force: true });
