#include "muster/server/http/routes.h"

#include <algorithm>

#include "muster/base/text.h"

namespace muster::server::http {
namespace {

// Takes the first segment off "/a/b"; false when there is none left.
bool TakeSegment(std::string_view& path, std::string_view& segment) {
  if (!path.starts_with('/')) return false;
  const std::size_t end = std::min(path.find('/', 1), path.size());
  segment = path.substr(1, end - 1);
  path.remove_prefix(end);
  return true;
}

bool Serves(Method route, Method asked) {
  return route == asked || (route == Method::kGet && asked == Method::kHead);
}

}  // namespace

std::string_view RouteTable::Match::Value(std::string_view name) const {
  for (std::size_t i = 0; i < parameter_count; ++i) {
    if (parameters[i].name == name) return parameters[i].value;
  }
  return {};
}

std::vector<RouteTable::Segment> RouteTable::Split(std::string_view pattern) {
  std::vector<Segment> segments;
  std::string_view rest = pattern;
  std::string_view text;
  while (TakeSegment(rest, text)) {
    const bool is_parameter = text.size() > 2 && text.front() == '{' && text.back() == '}';
    if (is_parameter) text = text.substr(1, text.size() - 2);
    segments.push_back({std::string(text), is_parameter});
  }
  const auto parameters = std::ranges::count_if(segments, &Segment::is_parameter);
  MUSTER_CHECK(!segments.empty() && rest.empty() &&
                   parameters <= static_cast<std::ptrdiff_t>(kMaxParameters),
               "not a route's pattern: " + std::string(pattern));
  return segments;
}

void RouteTable::Add(Route route) {
  Pattern added{Split(route.pattern), routes_.size()};
  routes_.push_back(std::move(route));
  const auto literal_first = [](const Pattern& a, const Pattern& b) {
    return std::ranges::lexicographical_compare(a.segments, b.segments, {}, &Segment::is_parameter,
                                                &Segment::is_parameter);
  };
  patterns_.insert(std::ranges::upper_bound(patterns_, added, literal_first), std::move(added));
}

bool RouteTable::Matches(const Pattern& pattern, std::string_view path, Match* match) {
  std::size_t parameters = 0;
  std::string_view segment;
  for (const Segment& expected : pattern.segments) {
    if (!TakeSegment(path, segment)) return false;
    if (!expected.is_parameter) {
      if (segment != expected.text) return false;
    } else if (segment.empty()) {
      return false;
    } else if (match != nullptr) {
      match->parameters[parameters++] = {expected.text, segment};
    }
  }
  if (match != nullptr) match->parameter_count = parameters;
  return path.empty();
}

base::Result<RouteTable::Match> RouteTable::Find(Method method, std::string_view path) const {
  bool path_exists = false;
  Match match;
  for (const Pattern& pattern : patterns_) {
    if (!Matches(pattern, path, &match)) continue;
    path_exists = true;
    match.route = &routes_[pattern.route];
    if (!Serves(match.route->method, method)) continue;
    for (std::size_t i = 0; i < match.parameter_count; ++i) {
      const auto& [name, value] = match.parameters[i];
      if (base::IsValidName(value)) continue;
      return base::InvalidArgument(std::string(name) + " " + base::Printable(value) +
                                       " is not a name: 1 to 128 of A-Z a-z 0-9 . _ -",
                                   "NAME");
    }
    return match;
  }
  if (path_exists) {
    return base::Unimplemented("this path does not allow the method; it allows " + Allowed(path),
                               "METHOD_NOT_ALLOWED");
  }
  return base::NotFound("no route " + base::Printable(path, 128) + "; /openapi.json lists them all",
                        "ROUTE_NOT_FOUND");
}

std::string RouteTable::Allowed(std::string_view path) const {
  std::string allowed;
  for (const Method method :
       {Method::kGet, Method::kHead, Method::kPost, Method::kPut, Method::kDelete}) {
    const bool serves = std::ranges::any_of(patterns_, [&](const Pattern& pattern) {
      return Serves(routes_[pattern.route].method, method) && Matches(pattern, path, nullptr);
    });
    if (serves) (allowed += MethodName(method)) += ", ";
  }
  return allowed.empty() ? allowed : allowed + "OPTIONS";
}

}  // namespace muster::server::http
