#include "muster/server/api/internal/picture_predict.h"

#include <array>
#include <string>
#include <utility>

#include "muster/base/text.h"
#include "muster/server/api/internal/request.h"
#include "muster/server/api/internal/routes.h"
#include "muster/server/codec/multipart.h"
#include "muster/server/http/negotiation.h"

namespace muster::server::api {
namespace {

using base::InvalidArgument;
using base::Result;
using engine::PictureFormat;

constexpr std::string_view kTopK = "top_k";
constexpr std::string_view kForm = "multipart/form-data";
const std::vector<std::string> kTypes = {"image/jpeg", "image/png", "image/webp",
                                         std::string(kForm)};
constexpr std::array kFormats = {PictureFormat::kJpeg, PictureFormat::kPng, PictureFormat::kWebp};

Result<std::optional<std::int64_t>> TopK(const http::Exchange& exchange) {
  std::optional<std::int64_t> top_k;
  for (const std::string_view name : exchange.query_names()) {
    if (name != kTopK) {
      return InvalidArgument("query parameter " + base::Printable(name) +
                                 ": a picture knows only `top_k`; priority and timeout are the "
                                 "headers X-Request-Priority and X-Request-Timeout-Ms",
                             "FIELD");
    }
    const auto number = WholeNumber<std::int64_t>(exchange.query(kTopK));
    if (top_k || !number || *number < 1) {
      return InvalidArgument("query parameter top_k: expected one whole number of at least 1",
                             "FIELD");
    }
    top_k = number;
  }
  return top_k;
}

}  // namespace

void DescribePictures(http::Route& route) {
  route.body_types.insert(route.body_types.end(), kTypes.begin(), kTypes.end());
  route.doc.summary += "; a picture is a JPEG, PNG or WebP, or the one file of a form";
  route.doc.query.emplace_back(kTopK, "Of a picture: how many classes");
}

bool IsPicture(const http::Exchange& exchange) {
  return http::IsMediaType(exchange.header("Content-Type"), kTypes);
}

Result<PictureRequest> ReadPictureRequest(const ApiContext& context,
                                          const http::Exchange& exchange) {
  PictureRequest request;
  MUSTER_ASSIGN_OR_RETURN(request.top_k, TopK(exchange));
  MUSTER_ASSIGN_OR_RETURN(request.priority, PriorityHeader(exchange));
  MUSTER_ASSIGN_OR_RETURN(request.timeout,
                          TimeoutHeader(exchange, context.options.limits.max_timeout));
  MUSTER_ASSIGN_OR_RETURN(request.model, ResolvePath(context, exchange));
  if (!request.model->config.image) {
    return InvalidArgument(
        "model `" + request.model->name + "` takes no pictures: its muster.yaml has no `image`",
        "UNSUPPORTED_MEDIA_TYPE");
  }
  for (std::size_t i = 0; i < kFormats.size(); ++i) {
    if (http::IsMediaType(exchange.header("Content-Type"), {&kTypes[i], 1})) {
      request.format = kFormats[i];
    }
  }
  request.form = !request.format;
  return request;
}

Result<codec::DecodedBody> DecodePictureRequest(const http::Exchange& exchange,
                                                const PictureRequest& request) {
  codec::DecodedBody body{.dialect = codec::Dialect::kImage};
  std::span<const std::byte> bytes = exchange.body();
  if (request.form) {
    MUSTER_ASSIGN_OR_RETURN(bytes, codec::FileOfForm(bytes, exchange.header("Content-Type")));
  }
  body.slots = 1;
  body.model = request.model;
  body.priority = request.priority;
  body.top_k = request.top_k;
  body.pictures.push_back({0, {.bytes = bytes, .format = request.format}});
  return body;
}

}  // namespace muster::server::api
