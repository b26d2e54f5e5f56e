#include "muster/bench/workload.h"

#include "muster/base/text.h"
#include "muster/bench/answer.h"
#include "muster/bench/internal/json_text.h"

namespace muster::bench {
namespace {

using nlohmann::json;

constexpr std::size_t kShown = 300;  // characters of an answer in a message

base::Error Refused(const std::string& what, const Answer& answer) {
  const json document = json::parse(answer.body, nullptr, false);
  const std::string told = TextOf(document, "error");
  return base::FailedPrecondition(what + " was answered " + std::to_string(answer.status) + ": " +
                                  base::Printable(told.empty() ? answer.body : told, kShown));
}

struct Models {
  bool listed = false;
  std::vector<std::string> names;
  std::string preferred;  // the one the server answers for who names none

  std::string Text() const {
    std::string text;
    for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
    return text.empty() ? "none" : text;
  }
};

base::Result<Models> ListModels(Client& client) {
  MUSTER_ASSIGN_OR_RETURN(const Answer answer, client.Get("/models"));
  const json document = json::parse(answer.body, nullptr, false);
  Models models;
  if (answer.status != 200 || !document.is_object() || !document.contains("models")) return models;
  models.listed = true;
  for (const json& model : document["models"]) {
    models.names.push_back(TextOf(model, "name"));
    if (model.is_object() && model.contains("default") && model["default"] == true) {
      models.preferred = models.names.back();
    }
  }
  return models;
}

base::Result<std::string> FindModel(Client& client) {
  MUSTER_ASSIGN_OR_RETURN(const Models models, ListModels(client));
  if (!models.listed) {
    return base::InvalidArgument("the server does not list its models: name one with --model");
  }
  if (!models.preferred.empty()) return models.preferred;
  if (models.names.size() == 1) return models.names[0];
  return base::InvalidArgument("expected --model NAME, one of: " + models.Text());
}

base::Result<model::ModelSpec> AskForModel(Client& client, const RequestOptions& request) {
  const std::string path =
      (request.kind == RequestKind::kOip ? "/v2/models/" : "/models/") + request.model;
  MUSTER_ASSIGN_OR_RETURN(Answer answer, client.Get(path));
  if (answer.status == 404) {
    // A server may know one of the two descriptions only.
    MUSTER_ASSIGN_OR_RETURN(answer, client.Get("/models/" + request.model));
  }
  if (answer.status == 404) {
    MUSTER_ASSIGN_OR_RETURN(const Models models, ListModels(client));
    return base::NotFound("the server has no model `" + base::Printable(request.model) + "`" +
                          (models.listed ? "; it has: " + models.Text() : ""));
  }
  if (answer.status != 200) return Refused("GET " + path, answer);
  return ReadModel(answer.body);
}

base::Result<std::vector<std::string>> Bodies(Client& client, const Settings& settings,
                                              const RequestOptions& request) {
  if (!settings.body.empty()) return std::vector<std::string>{settings.body};
  if (!settings.data.empty()) return ReadJsonLines(settings.data).WithContext("--data");
  MUSTER_ASSIGN_OR_RETURN(const auto spec, AskForModel(client, request));
  return DrawBodies(request, spec).WithContext("model `" + request.model + "`");
}

base::Status CheckCount(const std::vector<std::string>& expected, std::size_t inputs) {
  if (expected.size() == inputs) return {};
  return base::InvalidArgument("--expect: expected a line for each of the " +
                               std::to_string(inputs) + " inputs, got " +
                               std::to_string(expected.size()));
}

/// Sends each input once and alone; what is answered is what must be answered again.
base::Status SendEachOnce(Client& client, Workload& work, const Settings& settings,
                          const std::atomic<bool>& stop) {
  const bool given = !settings.expect.empty();
  if (given) {
    MUSTER_ASSIGN_OR_RETURN(work.expected, ReadJsonLines(settings.expect).WithContext("--expect"));
    MUSTER_RETURN_IF_ERROR(CheckCount(work.expected, work.messages.size()));
  }
  for (std::size_t i = 0; i < work.messages.size(); ++i) {
    if (stop.load(std::memory_order_relaxed)) return base::Cancelled("interrupted");
    MUSTER_ASSIGN_OR_RETURN(const Answer answer, client.Call(work.messages[i]));
    const std::string what = "input " + std::to_string(i + 1) + " to " + work.path;
    if (answer.status != 200) return Refused(what, answer);
    if (given) {
      const std::string difference = work.Difference(i, answer.body);
      if (!difference.empty()) return base::FailedPrecondition(difference);
    } else if (settings.check_share > 0) {
      const std::string_view value = AnswerValue(answer.body);
      if (value.empty()) {
        return base::FailedPrecondition(
            what + ": expected an answer with result, predictions, outputs or prediction, got " +
            base::Printable(answer.body, kShown) + "; --check-share 0 does without");
      }
      work.expected.emplace_back(value);
    }
  }
  return {};
}

std::string ServerName(Client& client) {
  const auto answer = client.Get("/");
  const json document = json::parse(answer ? answer->body : "", nullptr, false);
  const std::string version = TextOf(document, "version");
  return TextOf(document, "name") + (version.empty() ? "" : " " + version);
}

/// Settles model, path and kind of the requests from the settings, the URL and the server.
base::Result<RequestOptions> Target(Client& client, const Settings& settings, const Url& url) {
  RequestOptions request = settings.request;
  request.authority = url.authority();
  MUSTER_RETURN_IF_ERROR(ReadPath(url.path, request));
  if (!request.model.empty() && !base::IsValidName(request.model)) {
    return base::InvalidArgument("--model: expected letters, digits, `.`, `_` and `-`, got `" +
                                 base::Printable(request.model) + "`");
  }
  const bool ask = request.path.empty() || settings.generated();
  if (request.model.empty() && ask) {
    MUSTER_ASSIGN_OR_RETURN(request.model, FindModel(client));
  }
  if (request.path.ends_with("/batch") && request.rows == 1 && settings.generated()) {
    return base::InvalidArgument("a batch route takes lists: expected --rows of at least 2, got 1");
  }
  return request;
}

}  // namespace

base::Status ReadPath(std::string_view path, RequestOptions& request) {
  const bool oip = path.starts_with("/v2/models/");
  const std::string_view before = oip ? "/v2/models/" : "/predict/";
  std::string_view behind = path;
  std::string_view name;
  if (path.starts_with(before)) {
    name = path.substr(before.size());
    behind = name.substr(std::min(name.find('/'), name.size()));
    name = name.substr(0, name.size() - behind.size());
  }
  // `/predict/batch` is a route of the default model, not of a model of that name.
  if (!base::IsValidName(name) || (!oip && name == "batch")) {
    name = {};
    behind = path;
  }
  if (!name.empty() && !request.model.empty() && request.model != name) {
    return base::InvalidArgument("--model " + base::Printable(request.model) +
                                 ": the URL names another, `" + std::string(name) + "`");
  }
  if (!name.empty()) request.model = name;
  if (oip) request.kind = RequestKind::kOip;
  const bool usual = behind.empty() || (oip && behind == "/infer");
  if (!usual) request.path = path;
  return {};
}

std::string Workload::Difference(std::size_t input, std::string_view body) const {
  if (expected.empty()) return "";
  const base::Status same = SameValue(expected[input], AnswerValue(body), tolerance);
  if (same) return "";
  return "input " + std::to_string(input + 1) + " to " + path + ": " + same.error().message;
}

base::Result<Workload> PrepareWorkload(const Settings& settings, const std::atomic<bool>& stop) {
  Workload work;
  work.tolerance = settings.tolerance;
  MUSTER_ASSIGN_OR_RETURN(work.url, ParseUrl(settings.url));
  MUSTER_ASSIGN_OR_RETURN(work.endpoint, Resolve(work.url));
  Client client(work.url, work.endpoint, settings.give_up);
  MUSTER_ASSIGN_OR_RETURN(const RequestOptions request, Target(client, settings, work.url));
  MUSTER_ASSIGN_OR_RETURN(const auto bodies, Bodies(client, settings, request));
  for (const std::string& body : bodies) work.messages.push_back(RequestBytes(request, body));
  work.model = request.model;
  work.path = PathOf(request);
  work.kind = request.kind;
  work.server = ServerName(client);
  MUSTER_RETURN_IF_ERROR(SendEachOnce(client, work, settings, stop));
  return work;
}

}  // namespace muster::bench
