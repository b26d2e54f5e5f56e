#include "muster/server/http/routes.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace muster::server::http {
namespace {

RouteTable Table() {
  RouteTable table;
  for (const auto& [method, pattern] : std::vector<std::pair<Method, std::string>>{
           {Method::kGet, "/"},
           {Method::kPost, "/predict/{model}"},
           {Method::kPost, "/predict/{model}/versions/{version}"},
           {Method::kPost, "/predict/batch"},
           {Method::kPost, "/predict/{model}/batch"},
           {Method::kGet, "/models/{model}"},
           {Method::kDelete, "/jobs/{id}"},
           {Method::kGet, "/jobs/{id}"}}) {
    table.Add({.method = method, .pattern = pattern, .handler = [](ExchangePtr) {}});
  }
  return table;
}

std::string Found(Method method, std::string_view path) {
  static const RouteTable table = Table();
  const auto match = table.Find(method, path);
  if (!match) return std::string(match.error().Reason());
  std::string text = match->route->pattern;
  for (std::size_t i = 0; i < match->parameter_count; ++i) {
    ((text += ' ') += match->parameters[i].name) += '=';
    text += match->parameters[i].value;
  }
  return text;
}

TEST(RouteTable, FindsLiteralsBeforeParameters) {
  EXPECT_EQ(Found(Method::kGet, "/"), "/");
  EXPECT_EQ(Found(Method::kPost, "/predict/iris"), "/predict/{model} model=iris");
  EXPECT_EQ(Found(Method::kPost, "/predict/batch"), "/predict/batch");
  EXPECT_EQ(Found(Method::kPost, "/predict/batch/batch"), "/predict/{model}/batch model=batch");
  EXPECT_EQ(Found(Method::kPost, "/predict/m/versions/2"),
            "/predict/{model}/versions/{version} model=m version=2");
  EXPECT_EQ(Found(Method::kHead, "/models/m"), "/models/{model} model=m");
}

TEST(RouteTable, TellsWhatIsWrong) {
  EXPECT_EQ(Found(Method::kGet, "/nothing"), "ROUTE_NOT_FOUND");
  EXPECT_EQ(Found(Method::kGet, "/models/m/"), "ROUTE_NOT_FOUND");
  EXPECT_EQ(Found(Method::kGet, "/models/"), "ROUTE_NOT_FOUND");
  EXPECT_EQ(Found(Method::kGet, "models/m"), "ROUTE_NOT_FOUND");
  EXPECT_EQ(Found(Method::kPost, "/models/m"), "METHOD_NOT_ALLOWED");
  EXPECT_EQ(Found(Method::kOther, "/"), "METHOD_NOT_ALLOWED");
  EXPECT_EQ(Found(Method::kGet, "/models/.."), "NAME");
  EXPECT_EQ(Found(Method::kGet, "/models/a b"), "NAME");
  EXPECT_EQ(Found(Method::kGet, "/models/" + std::string(129, 'a')), "NAME");
}

TEST(RouteTable, ListsWhatAPathAllows) {
  const RouteTable table = Table();
  EXPECT_EQ(table.Allowed("/jobs/1"), "GET, HEAD, DELETE, OPTIONS");
  EXPECT_EQ(table.Allowed("/predict/batch"), "POST, OPTIONS");
  EXPECT_EQ(table.Allowed("/none"), "");
}

TEST(HttpStatus, FollowsTheReasonThenTheCode) {
  EXPECT_EQ(HttpStatus(base::InvalidArgument("", "INPUT_REJECTED_BY_MODEL")), 422);
  EXPECT_EQ(HttpStatus(base::ResourceExhausted("", "QUOTA")), 429);
  EXPECT_EQ(HttpStatus(base::ResourceExhausted("")), 503);
  EXPECT_EQ(HttpStatus(base::Unimplemented("", "METHOD_NOT_ALLOWED")), 405);
  EXPECT_EQ(HttpStatus(base::Unimplemented("")), 501);
  const std::vector<std::pair<base::Code, int>> expected = {
      {base::Code::kCancelled, 499},        {base::Code::kUnknown, 500},
      {base::Code::kInvalidArgument, 400},  {base::Code::kDeadlineExceeded, 504},
      {base::Code::kNotFound, 404},         {base::Code::kAlreadyExists, 409},
      {base::Code::kPermissionDenied, 403}, {base::Code::kFailedPrecondition, 409},
      {base::Code::kAborted, 409},          {base::Code::kOutOfRange, 400},
      {base::Code::kInternal, 500},         {base::Code::kUnavailable, 503},
      {base::Code::kDataLoss, 500},         {base::Code::kUnauthenticated, 401}};
  for (const auto& [code, status] : expected) EXPECT_EQ(HttpStatus(base::Error{code, ""}), status);
}

TEST(OpenApi, DescribesTheTable) {
  RouteTable table;
  table.Add({.method = Method::kPost,
             .pattern = "/predict/{model}",
             .handler = [](ExchangePtr) {},
             .body_types = {"application/json", "application/octet-stream"},
             .doc = {.summary = "Predict \"now\"",
                     .tag = "predict",
                     .request_schema = R"({"$ref":"#/components/schemas/In"})",
                     .response_schema = R"({"type":"object"})",
                     .errors = {400, 503},
                     .query = {{"output", "which"}}}});
  table.Add({.method = Method::kGet, .pattern = "/predict/{model}", .handler = [](ExchangePtr) {}});
  const auto doc =
      nlohmann::json::parse(OpenApiJson(table, "muster", "1.0", R"({"In":{"type":"object"}})"));
  EXPECT_EQ(doc["openapi"], "3.1.0");
  EXPECT_EQ(doc["info"]["title"], "muster");
  EXPECT_EQ(doc["components"]["schemas"]["In"]["type"], "object");
  const auto& path = doc["paths"]["/predict/{model}"];
  EXPECT_TRUE(path.contains("get"));
  const auto& post = path["post"];
  EXPECT_EQ(post["summary"], "Predict \"now\"");
  EXPECT_EQ(post["parameters"][0]["name"], "model");
  EXPECT_EQ(post["parameters"][0]["required"], true);
  EXPECT_EQ(post["parameters"][1]["in"], "query");
  EXPECT_TRUE(post["requestBody"]["content"].contains("application/octet-stream"));
  EXPECT_EQ(post["requestBody"]["content"]["application/json"]["schema"]["$ref"],
            "#/components/schemas/In");
  EXPECT_TRUE(post["responses"]["503"]["content"].contains("application/json"));
  EXPECT_NE(post["operationId"], path["get"]["operationId"]);
}

}  // namespace
}  // namespace muster::server::http
