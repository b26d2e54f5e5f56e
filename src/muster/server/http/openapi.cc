#include <algorithm>
#include <map>

#include "muster/server/codec/json_writer.h"
#include "muster/server/http/ascii.h"
#include "muster/server/http/response.h"
#include "muster/server/http/routes.h"

namespace muster::server::http {
namespace {

using codec::JsonWriter;

constexpr std::string_view kErrorSchema =
    R"({"type":"object","required":["error","detail","code","request_id"],"properties":{)"
    R"("error":{"type":"string"},"detail":{"type":"string"},"code":{"type":"string"},)"
    R"("request_id":{"type":"string"}}})";

std::string LowerMethod(Method method) {
  std::string name(MethodName(method));
  std::ranges::transform(name, name.begin(), ToLower);
  return name;
}

// "get_predict_model" of GET /predict/{model}: unique, as method and pattern are.
std::string OperationId(const Route& route) {
  std::string id = LowerMethod(route.method);
  for (const char c : route.pattern) {
    const bool word = (ToLower(c) >= 'a' && ToLower(c) <= 'z') || (c >= '0' && c <= '9');
    if (word) {
      id += c;
    } else if (!id.ends_with('_')) {
      id += '_';
    }
  }
  while (id.ends_with('_')) id.pop_back();
  return id;
}

void WriteParameter(JsonWriter& w, std::string_view name, std::string_view in,
                    std::string_view description) {
  w.BeginObject();
  w.Key("name");
  w.String(name);
  w.Key("in");
  w.String(in);
  w.Key("required");
  w.Bool(in == "path");
  if (!description.empty()) {
    w.Key("description");
    w.String(description);
  }
  w.Key("schema");
  w.Raw(in == "path" ? R"({"type":"string","pattern":"^[A-Za-z0-9._-]{1,128}$"})"
                     : R"({"type":"string"})");
  w.EndObject();
}

void WriteParameters(JsonWriter& w, const Route& route) {
  w.Key("parameters");
  w.BeginArray();
  std::string_view rest = route.pattern;
  while (!rest.empty()) {
    const std::string_view segment = TakeUntil(rest, '/');
    if (segment.starts_with('{'))
      WriteParameter(w, segment.substr(1, segment.size() - 2), "path", "");
  }
  for (const auto& [name, description] : route.doc.query)
    WriteParameter(w, name, "query", description);
  for (const auto& [name, description] : route.doc.headers)
    WriteParameter(w, name, "header", description);
  w.EndArray();
}

void WriteContent(JsonWriter& w, std::span<const std::string> types, std::string_view schema) {
  w.Key("content");
  w.BeginObject();
  for (const std::string& type : types) {
    w.AnyKey(type);
    w.BeginObject();
    // A schema describes JSON; other types are what their name says.
    if (!schema.empty() && type.ends_with("json")) {
      w.Key("schema");
      w.Raw(schema);
    }
    w.EndObject();
  }
  w.EndObject();
}

void WriteRequestBody(JsonWriter& w, const Route& route) {
  if (route.doc.request_schema.empty()) return;
  const std::vector<std::string> json = {std::string(kJson)};
  w.Key("requestBody");
  w.BeginObject();
  WriteContent(w, route.body_types.empty() ? json : route.body_types, route.doc.request_schema);
  w.EndObject();
}

void WriteResponses(JsonWriter& w, const Route& route) {
  w.Key("responses");
  w.BeginObject();
  w.Key("200");
  w.BeginObject();
  w.Key("description");
  w.String(ReasonPhrase(200));
  std::vector<std::string> types = {route.doc.response_type};
  types.insert(types.end(), route.doc.other_response_types.begin(),
               route.doc.other_response_types.end());
  WriteContent(w, types, route.doc.response_schema);
  w.EndObject();
  const std::vector<std::string> json = {std::string(kJson)};
  for (const int status : route.doc.errors) {
    w.AnyKey(std::to_string(status));
    w.BeginObject();
    w.Key("description");
    w.String(ReasonPhrase(status));
    WriteContent(w, json, kErrorSchema);
    w.EndObject();
  }
  w.EndObject();
}

void WriteOperation(JsonWriter& w, const Route& route) {
  w.AnyKey(LowerMethod(route.method));
  w.BeginObject();
  w.Key("operationId");
  w.String(OperationId(route));
  w.Key("summary");
  w.String(route.doc.summary);
  if (!route.doc.tag.empty()) {
    w.Key("tags");
    w.BeginArray();
    w.String(route.doc.tag);
    w.EndArray();
  }
  WriteParameters(w, route);
  WriteRequestBody(w, route);
  WriteResponses(w, route);
  w.EndObject();
}

}  // namespace

std::string OpenApiJson(const RouteTable& table, std::string_view title, std::string_view version,
                        std::string_view components) {
  std::map<std::string_view, std::vector<const Route*>> by_path;
  for (const Route& route : table.routes()) by_path[route.pattern].push_back(&route);
  std::string out;
  JsonWriter w(out);
  w.BeginObject();
  w.Key("openapi");
  w.String("3.1.0");
  w.Key("info");
  w.BeginObject();
  w.Key("title");
  w.String(title);
  w.Key("version");
  w.String(version);
  w.EndObject();
  w.Key("paths");
  w.BeginObject();
  for (const auto& [path, routes] : by_path) {
    w.AnyKey(path);
    w.BeginObject();
    for (const Route* route : routes) WriteOperation(w, *route);
    w.EndObject();
  }
  w.EndObject();
  w.Key("components");
  w.BeginObject();
  w.Key("schemas");
  w.Raw(components.empty() ? "{}" : components);
  w.EndObject();
  w.EndObject();
  return out;
}

}  // namespace muster::server::http
