#include <algorithm>
#include <array>
#include <string_view>
#include <tuple>
#include <utility>

#include "muster/server/api/internal/routes.h"
#include "muster/server/http/ascii.h"

namespace muster::server::api {
namespace {

// Self-contained, so that the content security policy needs no other origin; every text that comes
// from the server goes into the document as text, never as markup.
constexpr std::string_view kPage = R"html(<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>muster</title><link rel="icon" href="data:,"><link rel="stylesheet" href="/page.css">
</head><body>
<header><h1>muster</h1><span id="status">…</span></header>
<main><section><h2>Models</h2><table><thead><tr><th>Model</th><th>Version</th><th>State</th>
<th>Inputs</th><th>Outputs</th><th>Requests</th><th>Rows per run</th></tr></thead>
<tbody id="models"></tbody></table></section>
<section><h2>Try it</h2><form id="try"><label>Model <select id="model"></select></label>
<label>Row (JSON) <textarea id="row" rows="3" spellcheck="false"></textarea></label>
<button>Predict</button></form><pre id="answer" aria-live="polite"></pre></section>
<section><h2>Endpoints</h2><p><a href="/health">health</a> · <a href="/models">models</a> ·
<a href="/stats">stats</a> · <a href="/config">config</a> · <a href="/metrics">metrics</a> ·
<a href="/openapi.json">openapi.json</a></p></section></main>
<script src="/page.js"></script></body></html>
)html";

constexpr std::string_view kStyle =
    R"css(:root{color-scheme:light dark;font:16px/1.5 system-ui,sans-serif}
body{margin:0 auto;max-width:60rem;padding:1rem}header{display:flex;gap:1rem;align-items:baseline}
h1{margin:0}h2{font-size:1.1rem;margin:1.5rem 0 .5rem}section{overflow-x:auto}
table{border-collapse:collapse;width:100%}
th,td{text-align:left;padding:.3rem .6rem;border-bottom:1px solid #8884;vertical-align:top}
form{display:grid;gap:.6rem}textarea,select{font:inherit;width:100%;box-sizing:border-box}
textarea,pre,td{font-family:ui-monospace,monospace;font-size:.85rem}
button{justify-self:start;font:inherit;padding:.3rem 1rem}
pre{white-space:pre-wrap;overflow-wrap:anywhere;background:#8881;padding:.6rem;min-height:3rem}
.bad{color:#c33}.good{color:#283}
)css";

constexpr std::string_view kScript = R"js('use strict';
const $ = id => document.getElementById(id);
const shown = t => `${t.name}: ${t.datatype} [${t.shape.map(d => d < 0 ? 'n' : d).join(', ')}]`;
const example = t => {
  const dims = t.shape.slice(1).map(d => d < 0 ? 1 : d);
  const leaf = t.datatype === 'BYTES' ? '"a"' : t.datatype === 'BOOL' ? 'true' : '1';
  return dims.length === 0 || (dims.length === 1 && dims[0] === 1) ? leaf
    : dims.reduceRight((inner, n) => `[${Array(n).fill(inner).join(', ')}]`, leaf);
};
let models = [];
function cell(row, text, kind) {
  const td = row.insertCell();
  td.textContent = text;
  if (kind) td.className = kind;
}
function fill() {
  const m = models.find(m => m.name === $('model').value);
  if (!m) return;
  $('row').value = m.inputs.length === 1 ? example(m.inputs[0])
    : '{' + m.inputs.map(t => `${JSON.stringify(t.name)}: ${example(t)}`).join(', ') + '}';
}
async function refresh() {
  try {
    const health = await (await fetch('/health')).json();
    $('status').textContent = health.status;
    $('status').className = health.status === 'healthy' ? 'good' : 'bad';
    const list = (await (await fetch('/models')).json()).models;
    const body = document.createElement('tbody');
    body.id = 'models';
    for (const m of list) {
      const row = body.insertRow();
      cell(row, m.name);
      cell(row, m.version);
      cell(row, m.reason ? `${m.state}: ${m.reason}` : m.state, m.state === 'READY' ? 'good' : 'bad');
      cell(row, (m.inputs || []).map(shown).join('\n'));
      cell(row, (m.outputs || []).map(shown).join('\n'));
      cell(row, m.request_count ?? '');
      cell(row, m.batching ? m.batching.batch_rows.mean.toFixed(1) : '');
    }
    $('models').replaceWith(body);
    const ready = list.filter(m => m.state === 'READY');
    if (ready.map(m => m.name).join() !== models.map(m => m.name).join()) {
      models = ready;
      $('model').replaceChildren(...models.map(m => new Option(m.name)));
      fill();
    }
  } catch (error) {
    $('status').textContent = `cannot reach the server: ${error.message}`;
    $('status').className = 'bad';
  }
}
$('model').addEventListener('change', fill);
$('try').addEventListener('submit', async event => {
  event.preventDefault();
  try {
    const response = await fetch(`/predict/${encodeURIComponent($('model').value)}`, {
      method: 'POST', headers: {'Content-Type': 'application/json'},
      body: `{"inputs": ${$('row').value}}`});
    const answer = await response.json();
    $('answer').textContent = JSON.stringify(answer, null, 2);
    $('answer').className = response.ok ? '' : 'bad';
  } catch (error) {
    $('answer').textContent = error.message;
    $('answer').className = 'bad';
  }
  refresh();
});
refresh();
setInterval(refresh, 5000);
)js";

void SendStatic(const http::ExchangePtr& exchange, std::string_view text, std::string_view type) {
  exchange->AddHeader("Content-Security-Policy",
                      "default-src 'self'; img-src 'self' data:; frame-ancestors 'none'; base-uri "
                      "'none'; form-action 'self'");
  exchange->AddHeader("X-Content-Type-Options", "nosniff");
  exchange->AddHeader("Cache-Control", "no-cache");
  exchange->out() += text;
  exchange->Send(200, type);
}

bool WantsJson(const http::Exchange& exchange) {
  const std::string_view accept = exchange.header("Accept");
  constexpr std::string_view kHtml = "text/html";
  const auto same = [](char a, char b) { return http::ToLower(a) == b; };
  return std::ranges::search(accept, kHtml, same).empty();
}

constexpr auto kEndpoints = std::to_array<std::string_view>({
    "POST /predict",
    "POST /predict/batch",
    "POST /predict/{model}",
    "POST /predict/{model}/batch",
    "POST /predict/{model}/versions/{version}",
    "POST /predict/{model}/versions/{version}/batch",
    "POST /examples/simple",
    "POST /examples/batch",
    "GET /health",
    "GET /health/live",
    "GET /health/ready",
    "GET /stats",
    "GET /config",
    "GET /models",
    "GET /models/{model}",
    "GET /metrics",
    "GET /openapi.json",
    "GET /v2",
    "GET /v2/health/live",
    "GET /v2/health/ready",
    "GET /v2/models/{model}",
    "GET /v2/models/{model}/ready",
    "GET /v2/models/{model}/stats",
    "GET /v2/models/{model}/versions/{version}",
    "GET /v2/models/{model}/versions/{version}/ready",
    "GET /v2/models/{model}/versions/{version}/stats",
    "GET /v2/models/stats",
    "POST /v2/models/{model}/infer",
    "POST /v2/models/{model}/versions/{version}/infer",
    "POST /v2/repository/index",
});

void Root(const ApiContext& context, const http::ExchangePtr& exchange) {
  if (!WantsJson(*exchange)) return SendStatic(exchange, kPage, "text/html; charset=utf-8");
  codec::JsonWriter w(exchange->out());
  w.BeginObject();
  w.Key("name");
  w.String("muster");
  w.Key("version");
  w.String(context.options.version);
  w.Key("status");
  w.String(context.engine.Health().ready ? "running" : "not ready");
  w.Key("timestamp");
  w.Time(context.clock.WallNow());
  w.Key("endpoints");
  w.BeginArray();
  for (const std::string_view route : kEndpoints) {
    w.String(route);
  }
  w.EndArray();
  w.EndObject();
  exchange->Send(200, http::kJson);
}

}  // namespace

void AddPageRoute(http::RouteTable& table, const ApiContext& context) {
  http::Route root;
  root.pattern = "/";
  root.handler = [&context](const http::ExchangePtr& e) { Root(context, e); };
  root.doc.summary = "The page (HTML) for a browser, else what this server is";
  root.doc.tag = "meta";
  root.doc.response_schema = R"({"type":"object"})";
  table.Add(std::move(root));
  for (const auto& [path, text, type] :
       {std::tuple{"/page.css", kStyle, "text/css; charset=utf-8"},
        std::tuple{"/page.js", kScript, "text/javascript; charset=utf-8"}}) {
    http::Route part;
    part.pattern = path;
    part.handler = [text = text, type = type](const http::ExchangePtr& e) {
      SendStatic(e, text, type);
    };
    part.doc.summary = "Part of the page";
    part.doc.tag = "meta";
    part.doc.response_schema = R"({"type":"string"})";
    part.doc.response_type = std::string(type).substr(0, std::string_view(type).find(';'));
    table.Add(std::move(part));
  }
}

}  // namespace muster::server::api
