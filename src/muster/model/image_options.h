#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "muster/base/result.h"

namespace muster::model {

/// How pictures become rows of a model and its scores become classes: `image` in a `muster.yaml`,
/// where every key has the name of its field. A model without it takes no pictures, since what a
/// picture is to be scaled to cannot be read out of a model.
struct ImageOptions {
  enum class Fit : std::uint8_t {
    kStretch,  ///< to the model's size, whatever the picture's proportions are
    kCrop,     ///< the short side to `resize`, then the middle of it
    kPad,      ///< the long side to the model's, the rest `background`, else black
  };
  enum class Filter : std::uint8_t { kTriangle, kBox, kBicubic, kLanczos };
  enum class Channels : std::uint8_t { kRgb, kBgr, kGrey };
  enum class Layout : std::uint8_t { kAuto, kNchw, kNhwc };
  enum class Choice : std::uint8_t { kAuto, kYes, kNo };

  std::vector<std::int64_t> size;  ///< [height, width], where the model leaves them open
  Fit fit = Fit::kStretch;
  std::int64_t resize = 0;  ///< pixels, `crop` only; 0: the model's short side
  Filter filter = Filter::kTriangle;
  std::optional<Channels> channels;  ///< none: grey for one channel, else RGB
  Layout layout = Layout::kAuto;
  std::optional<double> scale;  ///< none: 1/255, and 1 for an input of UINT8
  std::vector<double> mean;     ///< taken off after `scale`: one number, or one a channel
  std::vector<double> std;      ///< divided by after that
  std::optional<std::array<std::uint8_t, 3>> background;  ///< under transparency; none: ignored
  Choice invert = Choice::kNo;                            ///< kAuto: where the border is light
  bool trim = false;               ///< to what is brighter than a dark border; grey only
  bool scaled_decoding = true;     ///< large JPEGs by the decoder, to no less than 1.5 times
  std::string output;              ///< of the scores; empty: the only one that can be
  Choice softmax = Choice::kAuto;  ///< kAuto: where scores are no distribution
  std::int64_t top_k = 5;

  /// What can be said without the model. Errors: INVALID_ARGUMENT naming the key.
  base::Status Validate() const;
  bool operator==(const ImageOptions&) const = default;
};

}  // namespace muster::model
