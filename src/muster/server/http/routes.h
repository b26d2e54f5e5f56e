#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "muster/base/result.h"
#include "muster/server/http/exchange.h"

namespace muster::server::http {

/// What /openapi.json says about a route; schemas are JSON text of OpenAPI 3.1 schema objects,
/// usually a `{"$ref": "#/components/schemas/…"}`.
struct RouteDoc {
  std::string summary;
  std::string tag;
  std::string request_schema;   // empty: no body
  std::string response_schema;  // of the 200 answer
  std::string response_type = std::string(kJson);
  std::vector<std::string> other_response_types = {};  // on request, by Accept
  std::vector<int> errors;  // statuses besides 200 that this route answers
  std::vector<std::pair<std::string, std::string>> query;         // parameter and its description
  std::vector<std::pair<std::string, std::string>> headers = {};  // the same of request headers
};

/// One row of the route table, which feeds the router, 405 answers and /openapi.json alike.
struct Route {
  Method method = Method::kGet;
  /// "/predict/{model}/versions/{version}"; a parameter matches one segment that is a valid name.
  std::string pattern;
  Handler handler;
  /// Media types a body may have; a body of another type is refused with 415.
  std::vector<std::string> body_types = {};
  bool type_optional = false;  ///< a body that names no type is let in
  /// Called when the header has been read, before any of the body is: refuse early what cannot be
  /// served. Sees everything of the exchange but the body.
  std::function<base::Status(const Exchange&)> admit = nullptr;
  RouteDoc doc = {};
};

/// The routes of a server. Where several patterns match a path, a literal segment wins over a
/// parameter, from left to right. Add everything first; then thread-safe, and Find neither locks
/// nor allocates unless it fails.
class RouteTable {
 public:
  static constexpr std::size_t kMaxParameters = 4;

  /// Aborts on patterns that are not "/a/{b}/c" with at most kMaxParameters parameters.
  void Add(Route route);
  struct Match {
    const Route* route = nullptr;
    /// Views into the table (names) and the path (values), in the pattern's order.
    struct Parameter {
      std::string_view name;
      std::string_view value;
    };
    std::array<Parameter, kMaxParameters> parameters = {};
    std::size_t parameter_count = 0;

    /// Empty if the pattern has no parameter of that name.
    std::string_view Value(std::string_view name) const;
  };
  /// Errors: NOT_FOUND "ROUTE_NOT_FOUND"; INVALID_ARGUMENT "NAME" where a parameter is no valid
  /// name; UNIMPLEMENTED "METHOD_NOT_ALLOWED" (see Allowed). HEAD matches GET's route.
  base::Result<Match> Find(Method method, std::string_view path) const;
  /// "GET, HEAD, OPTIONS": what a path's routes allow; empty if there is no such path.
  std::string Allowed(std::string_view path) const;
  const std::vector<Route>& routes() const { return routes_; }

 private:
  struct Segment {
    std::string text;  // a literal, or a parameter's name
    bool is_parameter = false;
  };
  /// A route's pattern taken apart; sorted so that the first that matches is the one that counts.
  struct Pattern {
    std::vector<Segment> segments;
    std::size_t route = 0;
  };
  static std::vector<Segment> Split(std::string_view pattern);
  static bool Matches(const Pattern& pattern, std::string_view path, Match* match);

  std::vector<Route> routes_;
  std::vector<Pattern> patterns_;
};

/// The OpenAPI 3.1 document of `table`. `components` is the JSON text of the object
/// "components.schemas".
std::string OpenApiJson(const RouteTable& table, std::string_view title, std::string_view version,
                        std::string_view components);

}  // namespace muster::server::http
