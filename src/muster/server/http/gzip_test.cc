#include "muster/server/http/gzip.h"

#include <gtest/gtest.h>
#include <random>
#include <string>
#include <vector>

namespace muster::server::http {
namespace {

std::string Compress(Coding coding, std::string_view plain) {
  static Deflater deflater;
  std::string out = "x";
  deflater.Compress(coding, plain, out);
  return out.substr(1);
}

struct Expanded {
  std::string reason;
  std::string text;
};

Expanded Expand(Coding coding, std::string_view compressed, std::size_t max = 10u << 20,
                std::size_t piece = std::string::npos) {
  ReceiveBudget budget(1u << 30);
  BodyBuffer out(budget);
  Inflater inflater(coding);
  while (!compressed.empty()) {
    const auto fed = inflater.Feed(compressed.substr(0, piece), out, max);
    if (!fed) return {std::string(fed.error().Reason()), ""};
    compressed.remove_prefix(std::min(piece, compressed.size()));
  }
  if (const auto finished = inflater.Finish(); !finished) {
    return {std::string(finished.error().Reason()), ""};
  }
  return {"", std::string(reinterpret_cast<const char*>(out.bytes().data()), out.size())};
}

std::string Text(std::size_t size) {
  std::mt19937 random(4);
  std::string text(size, ' ');
  for (char& c : text) c = static_cast<char>('a' + random() % 8);
  return text;
}

TEST(Gzip, ExpandsWhatItCompressedInPiecesOfAnySize) {
  const std::string text = Text(100'000);
  for (const Coding coding : {Coding::kGzip, Coding::kDeflate}) {
    const std::string compressed = Compress(coding, text);
    EXPECT_LT(compressed.size(), text.size() / 2);
    for (const std::size_t piece :
         {std::size_t{1}, std::size_t{7}, std::size_t{4096}, compressed.size()}) {
      EXPECT_EQ(Expand(coding, compressed, 100'000, piece).text, text);
    }
  }
  EXPECT_EQ(Expand(Coding::kGzip, Compress(Coding::kGzip, "")).text, "");
}

TEST(Gzip, ExpandsSeveralMembers) {
  const std::string two = Compress(Coding::kGzip, "hello ") + Compress(Coding::kGzip, "world");
  EXPECT_EQ(Expand(Coding::kGzip, two).text, "hello world");
  EXPECT_EQ(Expand(Coding::kGzip, two, 100, 1).text, "hello world");
}

TEST(Gzip, StopsAtTheLimitOfExpandedBytes) {
  const std::string bomb = Compress(Coding::kGzip, std::string(10u << 20, '\0'));
  ASSERT_LT(bomb.size(), 100'000u);
  EXPECT_EQ(Expand(Coding::kGzip, bomb, (10u << 20) - 1).reason, "BODY_TOO_LARGE");
  EXPECT_EQ(Expand(Coding::kGzip, bomb, 10u << 20).reason, "");
}

TEST(Gzip, RefusesTruncatedAndBrokenBodies) {
  const std::string good = Compress(Coding::kGzip, Text(1000));
  for (std::size_t size = 0; size < good.size(); ++size) {
    EXPECT_EQ(Expand(Coding::kGzip, good.substr(0, size)).reason, "BAD_COMPRESSION") << size;
  }
  EXPECT_EQ(Expand(Coding::kGzip, good + "x").reason, "BAD_COMPRESSION");
  EXPECT_EQ(Expand(Coding::kGzip, Compress(Coding::kDeflate, "a")).reason, "BAD_COMPRESSION");
  EXPECT_EQ(Expand(Coding::kDeflate, Compress(Coding::kDeflate, "a") + "x").reason,
            "BAD_COMPRESSION");
  EXPECT_EQ(Expand(Coding::kGzip, Compress(Coding::kGzip, good)).text, good);  // one layer only
  std::string broken = good;
  broken[good.size() / 2] ^= 0x55;
  EXPECT_EQ(Expand(Coding::kGzip, broken).reason, "BAD_COMPRESSION");
}

TEST(BodyBuffer, ChargesWhatIsBeyondTheConnectionsSmallPart) {
  ReceiveBudget budget(90'000);
  BodyBuffer body(budget);
  const std::vector<std::byte> small(4000);
  ASSERT_TRUE(body.Append(small));
  EXPECT_EQ(budget.used(), 0u);
  const std::vector<std::byte> large(50'000);
  ASSERT_TRUE(body.Append(large));
  EXPECT_GE(budget.used(), 40'000u);
  const auto refused = body.Append(large);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().Reason(), "RECEIVING_TOO_MUCH");
  EXPECT_GT(refused.error().retry_after.count(), 0);
  body.Clear();
  EXPECT_EQ(budget.used(), 0u);
}

}  // namespace
}  // namespace muster::server::http
