#pragma once

#include <optional>

#include "muster/server/api/api.h"

namespace muster::server::api {

/// A picture that is a body of its own (`image/jpeg`, `image/png`, `image/webp`) or the one file of
/// a form (`multipart/form-data`).
struct PictureRequest {
  engine::ModelLease model;
  std::optional<engine::PictureFormat> format;  ///< as the body's type says
  bool form = false;
  int priority = 0;
  std::optional<base::Duration> timeout;
  std::optional<std::int64_t> top_k;
};

/// Adds to a route that names a model and takes one row what it needs for such bodies.
void DescribePictures(http::Route& route);

bool IsPicture(const http::Exchange& exchange);

/// All of it that the header says. Errors: those of Engine::Resolve; INVALID_ARGUMENT "FIELD",
/// "UNSUPPORTED_MEDIA_TYPE" (the model takes no pictures).
base::Result<PictureRequest> ReadPictureRequest(const ApiContext& context,
                                                const http::Exchange& exchange);

/// The body, whose picture is a view of the exchange's. Errors: INVALID_ARGUMENT "MULTIPART".
base::Result<codec::DecodedBody> DecodePictureRequest(const http::Exchange& exchange,
                                                      const PictureRequest& request);

}  // namespace muster::server::api
