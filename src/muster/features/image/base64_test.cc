#include "muster/features/image/base64.h"

#include <cstdint>
#include <gtest/gtest.h>
#include <string>
#include <vector>

namespace muster::features::image {
namespace {

/// As slow and plain as can be: bit by bit.
std::string Encode(const std::string& bytes) {
  const std::string alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  for (std::size_t bit = 0; bit < bytes.size() * 8; bit += 6) {
    unsigned digit = 0;
    for (std::size_t i = bit; i < bit + 6; ++i) {
      const unsigned byte = i / 8 < bytes.size() ? static_cast<unsigned char>(bytes[i / 8]) : 0u;
      digit = digit << 1 | ((byte >> (7 - i % 8)) & 1);
    }
    text += alphabet[digit];
  }
  while (text.size() % 4 != 0) text += '=';
  return text;
}

std::string Text(const std::vector<std::byte>& bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

/// What `text` stands for, or the error.
std::string Decoded(std::string_view text) {
  std::vector<std::byte> out;
  const base::Status status = DecodeBase64(text, out);
  return status ? Text(out) : status.error().ToString();
}

/// Why `text` is refused, without what all refusals begin with.
std::string Refusal(std::string_view text) {
  const std::string told = Decoded(text);
  const std::string start =
      "INVALID_ARGUMENT (BASE64): expected base64 (A-Z a-z 0-9 + /, padded with =), got ";
  return told.starts_with(start) ? told.substr(start.size()) : "no refusal: " + told;
}

TEST(DecodeBase64, DecodesTheVectorsOfTheStandard) {
  EXPECT_EQ(Decoded("Zg=="), "f");
  EXPECT_EQ(Decoded("Zm8="), "fo");
  EXPECT_EQ(Decoded("Zm9v"), "foo");
  EXPECT_EQ(Decoded("Zm9vYg=="), "foob");
  EXPECT_EQ(Decoded("Zm9vYmE="), "fooba");
  EXPECT_EQ(Decoded("Zm9vYmFy"), "foobar");
}

TEST(DecodeBase64, DecodesWhatWasEncodedAtEveryLength) {
  std::uint32_t state = 1;
  for (std::size_t length = 1; length <= 100; ++length) {
    std::string bytes(length, '\0');
    for (char& byte : bytes) {
      state = state * 1664525 + 1013904223;
      byte = static_cast<char>(state >> 24);
    }
    EXPECT_EQ(Decoded(Encode(bytes)), bytes) << length;
  }
}

TEST(DecodeBase64, DecodesEveryByteAtEveryPlaceOfAGroup) {
  for (std::size_t place = 0; place < 3; ++place) {
    for (int byte = 0; byte < 256; ++byte) {
      std::string bytes(5, 'x');
      bytes[place] = static_cast<char>(byte);
      EXPECT_EQ(Decoded(Encode(bytes)), bytes) << byte << " at " << place;
    }
  }
}

TEST(DecodeBase64, ReplacesWhatTheMemoryHeldBefore) {
  std::vector<std::byte> out(1000, std::byte{7});
  ASSERT_TRUE(DecodeBase64("Zm9vYg==", out));
  EXPECT_EQ(Text(out), "foob");
  ASSERT_FALSE(DecodeBase64("Zm9vYg=", out));
  ASSERT_TRUE(DecodeBase64("Zg==", out));
  EXPECT_EQ(Text(out), "f");
}

TEST(DecodeBase64, RefusesNothing) {
  EXPECT_EQ(Refusal(""), "nothing");
  EXPECT_EQ(Refusal("data:image/png;base64,"), "nothing");
}

TEST(DecodeBase64, RefusesSpacesAndLineBreaksAndSaysWhere) {
  const std::string hint = "; there must be no spaces or line breaks";
  EXPECT_EQ(Refusal("Zm9v Zm9"), "\" \" at position 4" + hint);
  EXPECT_EQ(Refusal("Zm9v\nZm9v"), "\"\\n\" at position 4" + hint);
  EXPECT_EQ(Refusal("Zm9v\r\nZm9v"), "\"\\r\" at position 4" + hint);
  EXPECT_EQ(Refusal(" Zm9v"), "\" \" at position 0" + hint);
  EXPECT_EQ(Refusal("Zm9v\n"), "\"\\n\" at position 4" + hint);
  EXPECT_EQ(Refusal("Zm8=\n"), "\"=\" at position 3");
}

TEST(DecodeBase64, RefusesTheAlphabetForUrlsAndSaysSo) {
  EXPECT_EQ(Refusal("ab-d"), "\"-\" at position 2, which is of the alphabet for URLs");
  EXPECT_EQ(Refusal("abcdabc_"), "\"_\" at position 7, which is of the alphabet for URLs");
  EXPECT_EQ(Decoded("+/+/"), "\xfb\xff\xbf");
}

TEST(DecodeBase64, RefusesAnyOtherByteAtAnyPlace) {
  const std::string digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  const std::string good = "Zm9vYmFyZm9v";
  for (std::size_t at = 0; at < good.size(); ++at) {
    for (int byte = 0; byte < 256; ++byte) {
      const char c = static_cast<char>(byte);
      // A "=" as the last one is padding.
      if (digits.find(c) != std::string::npos || (c == '=' && at + 1 == good.size())) continue;
      std::string text = good;
      text[at] = c;
      EXPECT_NE(Refusal(text).find("at position " + std::to_string(at)), std::string::npos)
          << byte << " at " << at << ": " << Refusal(text);
    }
  }
}

TEST(DecodeBase64, RefusesPaddingThatIsMissingTooMuchOrInTheMiddle) {
  const std::string no_bytes = " of padding, which make no whole bytes";
  EXPECT_EQ(Refusal("Zg"), "2 digits and 0" + no_bytes);
  EXPECT_EQ(Refusal("Zg="), "2 digits and 1" + no_bytes);
  EXPECT_EQ(Refusal("Zm8"), "3 digits and 0" + no_bytes);
  EXPECT_EQ(Refusal("Zm8=="), "3 digits and 2" + no_bytes);
  EXPECT_EQ(Refusal("Zm9v="), "4 digits and 1" + no_bytes);
  EXPECT_EQ(Refusal("Zm9v=="), "4 digits and 2" + no_bytes);
  EXPECT_EQ(Refusal("Z"), "1 digits and 0" + no_bytes);
  EXPECT_EQ(Refusal("Zm9vZ"), "5 digits and 0" + no_bytes);
  EXPECT_EQ(Refusal("="), "0 digits and 1" + no_bytes);
  EXPECT_EQ(Refusal("=="), "0 digits and 2" + no_bytes);
  EXPECT_EQ(Refusal("Z==="), "\"=\" at position 1");
  EXPECT_EQ(Refusal("===="), "\"=\" at position 0");
  EXPECT_EQ(Refusal("Zm9v===="), "\"=\" at position 4");
  EXPECT_EQ(Refusal("Zg==Zm9v"), "\"=\" at position 2");
  EXPECT_EQ(Refusal("Z=g="), "\"=\" at position 1");
}

TEST(DecodeBase64, RefusesBitsThatAreNotZeroBehindTheLastByte) {
  const std::string digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  for (std::size_t i = 0; i < digits.size(); ++i) {
    const std::string one = {'Z', digits[i], '=', '='};
    const std::string two = {'Z', 'm', digits[i], '='};
    const std::string refusal = "bits that are not 0 behind the last byte";
    EXPECT_EQ(Refusal(one) == refusal, i % 16 != 0) << one;
    EXPECT_EQ(Refusal(two) == refusal, i % 4 != 0) << two;
  }
}

TEST(DecodeBase64, PassesOverTheStartOfADataUrl) {
  EXPECT_EQ(Decoded("data:image/png;base64,Zm9v"), "foo");
  EXPECT_EQ(Decoded("data:image/jpeg;charset=utf-8;base64,Zg=="), "f");
  EXPECT_EQ(Decoded("data:image/svg+xml;base64,Zm8="), "fo");
}

TEST(DecodeBase64, RefusesOtherUrls) {
  EXPECT_EQ(Refusal("data:text/plain;base64,Zm9v"), "\":\" at position 4");
  EXPECT_EQ(Refusal("data:image/png,Zm9v"), "\":\" at position 4");
  EXPECT_EQ(Refusal("https://host/a.png"), "\":\" at position 5");
  // Text that only looks like the start of one must not be searched to its end.
  EXPECT_EQ(Refusal("data:image/" + std::string(100, 'x') + ";base64,Zm9v"), "\":\" at position 4");
}

TEST(DecodeBase64, ShowsBytesThatAreNoTextEscaped) {
  EXPECT_EQ(Refusal(std::string("Zm9\xff", 4)), "\"\\xff\" at position 3");
  EXPECT_EQ(Refusal(std::string("Zm9\0", 4)), "\"\\u0000\" at position 3");
}

}  // namespace
}  // namespace muster::features::image
