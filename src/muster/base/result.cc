#include "muster/base/result.h"

#include <cstdio>

namespace muster::base {

std::string_view CodeName(Code code) {
  switch (code) {
    case Code::kCancelled:
      return "CANCELLED";
    case Code::kUnknown:
      return "UNKNOWN";
    case Code::kInvalidArgument:
      return "INVALID_ARGUMENT";
    case Code::kDeadlineExceeded:
      return "DEADLINE_EXCEEDED";
    case Code::kNotFound:
      return "NOT_FOUND";
    case Code::kAlreadyExists:
      return "ALREADY_EXISTS";
    case Code::kPermissionDenied:
      return "PERMISSION_DENIED";
    case Code::kResourceExhausted:
      return "RESOURCE_EXHAUSTED";
    case Code::kFailedPrecondition:
      return "FAILED_PRECONDITION";
    case Code::kAborted:
      return "ABORTED";
    case Code::kOutOfRange:
      return "OUT_OF_RANGE";
    case Code::kUnimplemented:
      return "UNIMPLEMENTED";
    case Code::kInternal:
      return "INTERNAL";
    case Code::kUnavailable:
      return "UNAVAILABLE";
    case Code::kDataLoss:
      return "DATA_LOSS";
    case Code::kUnauthenticated:
      return "UNAUTHENTICATED";
  }
  return "UNKNOWN";  // a number from a wire that no version of gRPC knows
}

Error Error::WithContext(std::string_view context) const {
  Error error = *this;
  error.message = std::string(context) + ": " + message;
  return error;
}

std::string Error::ToString() const {
  std::string text(CodeName(code));
  if (!reason.empty()) text.append(" (").append(reason).append(")");
  return text.append(": ").append(message);
}

Error InvalidArgument(std::string message, std::string_view reason) {
  return {Code::kInvalidArgument, std::move(message), reason};
}
Error NotFound(std::string message, std::string_view reason) {
  return {Code::kNotFound, std::move(message), reason};
}
Error Unavailable(std::string message, std::string_view reason) {
  return {Code::kUnavailable, std::move(message), reason};
}
Error Internal(std::string message, std::string_view reason) {
  return {Code::kInternal, std::move(message), reason};
}
Error ResourceExhausted(std::string message, std::string_view reason) {
  return {Code::kResourceExhausted, std::move(message), reason};
}
Error DeadlineExceeded(std::string message, std::string_view reason) {
  return {Code::kDeadlineExceeded, std::move(message), reason};
}
Error FailedPrecondition(std::string message, std::string_view reason) {
  return {Code::kFailedPrecondition, std::move(message), reason};
}
Error Unimplemented(std::string message, std::string_view reason) {
  return {Code::kUnimplemented, std::move(message), reason};
}
Error Cancelled(std::string message, std::string_view reason) {
  return {Code::kCancelled, std::move(message), reason};
}

void Fatal(std::string_view what, const char* file, int line) {
  // Not through the log: its own invariants may be the broken ones.
  std::fprintf(stderr, "%s:%d: fatal: %.*s\n", file, line, static_cast<int>(what.size()),
               what.data());
  std::abort();
}

}  // namespace muster::base
