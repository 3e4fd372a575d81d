// Laws are made when a judge asks; of a large vocabulary several at a time, on all threads.
#include "verify/judging.h"

#include <gtest/gtest.h>

#include <atomic>

#include "core/error.h"
#include "core/pool.h"

namespace specdec {
namespace {

constexpr int kLarge = 1 << 17;

TEST(Judging, ALawIsMadeOnceAndOnlyIfAsked) {
  int made = 0;
  LazyLaws laws(4, [&](int node) { return ++made, Distribution::point(TokenId{node}, 8); });
  EXPECT_EQ(laws(2).certain(), TokenId{2});
  EXPECT_EQ(laws(2).certain(), TokenId{2});
  EXPECT_EQ(made, 1);
}

TEST(Judging, OfALargeVocabularyEveryThreadMakesOne) {
  Pool pool(2);
  std::atomic<int> made = 0;
  LazyLaws laws(
      5, [&](int node) { return ++made, Distribution::point(TokenId{node}, kLarge); }, kLarge, &pool);
  EXPECT_EQ(laws(1).certain(), TokenId{1});
  EXPECT_EQ(made, 2);
  EXPECT_EQ(laws(2).certain(), TokenId{2});
  EXPECT_EQ(made, 2);
  for (const int node : {0, 3, 4}) EXPECT_EQ(laws(node).certain(), TokenId{node});
  EXPECT_EQ(made, 5);
}

TEST(Judging, OneThatCannotBeMadeIsAnErrorWhenItIsAsked) {
  Pool pool(2);
  const auto make = [](int node) {
    if (node == 1) throw Error("row {} is damaged", node);
    return Distribution::point(TokenId{node}, kLarge);
  };
  LazyLaws laws(3, make, kLarge, &pool);
  EXPECT_EQ(laws(0).certain(), TokenId{0});
  EXPECT_THROW(laws(1), Error);
  EXPECT_THROW(laws(1), Error);
  EXPECT_EQ(laws(2).certain(), TokenId{2});
}

}  // namespace
}  // namespace specdec
