// Exact chances, for proofs: GMP's rational numbers (https://gmplib.org) behind the operators of a number.
#pragma once

#include <gmp.h>

#include <compare>
#include <utility>

namespace specdec {

class Rational {
 public:
  Rational() { mpq_init(value_); }
  explicit Rational(int whole) : Rational(whole, 1) {}
  Rational(long over, unsigned long under) : Rational() {  // under > 0
    mpq_set_si(value_, over, under);
    mpq_canonicalize(value_);
  }
  Rational(const Rational& other) : Rational() { mpq_set(value_, other.value_); }
  Rational(Rational&& other) noexcept : Rational() { mpq_swap(value_, other.value_); }
  Rational& operator=(Rational other) noexcept {
    mpq_swap(value_, other.value_);
    return *this;
  }
  ~Rational() { mpq_clear(value_); }

  Rational& operator+=(const Rational& other) { return mpq_add(value_, value_, other.value_), *this; }
  Rational& operator-=(const Rational& other) { return mpq_sub(value_, value_, other.value_), *this; }
  Rational& operator*=(const Rational& other) { return mpq_mul(value_, value_, other.value_), *this; }
  Rational& operator/=(const Rational& other) { return mpq_div(value_, value_, other.value_), *this; }  // not by 0
  friend Rational operator+(Rational a, const Rational& b) { return std::move(a += b); }
  friend Rational operator-(Rational a, const Rational& b) { return std::move(a -= b); }
  friend Rational operator*(Rational a, const Rational& b) { return std::move(a *= b); }
  friend Rational operator/(Rational a, const Rational& b) { return std::move(a /= b); }

  friend bool operator==(const Rational& a, const Rational& b) { return mpq_equal(a.value_, b.value_) != 0; }
  friend std::strong_ordering operator<=>(const Rational& a, const Rational& b) {
    return mpq_cmp(a.value_, b.value_) <=> 0;
  }
  explicit operator double() const { return mpq_get_d(value_); }

 private:
  mpq_t value_;
};

}  // namespace specdec
