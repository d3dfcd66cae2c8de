# SPDX-License-Identifier: MIT
# Hashes of strings, regular expressions, sorting, nested data. load.pl [AMOUNT]: 100 takes about a second.
use strict;
use warnings;

my $amount = @ARGV ? $ARGV[0] : 100;
my $state = 1;
sub next_random { $state = ($state * 1103515245 + 12345) % 2147483648; return $state >> 8; }

my %words;
for my $i (1 .. 1000 * $amount) {
    my $word = join '', map { chr(97 + next_random() % 26) } 1 .. 3 + $i % 5;
    push @{ $words{$word} }, "$i:$word";
}
my $vowels = grep { /^[^aeiou]*[aeiou][^aeiou]*$/ } keys %words;
printf "words %d, with one vowel %d\n", scalar keys %words, $vowels;

my @records = map { { id => $_, name => 'n' x (next_random() % 60), parts => [split /,/, join ',', 1 .. $_ % 9] } }
    1 .. 300 * $amount;
my $total = 0;
for my $record (sort { length $a->{name} <=> length $b->{name} || $a->{id} <=> $b->{id} } @records) {
    (my $copy = $record->{name} . $record->{id}) =~ s/(\d)/<$1>/g;
    $total += length $copy;
}
printf "records %d, text %d\n", scalar @records, $total;

my $text = join ' ', map { "k$_=" . next_random() % 1000 } 1 .. 1000 * $amount;
my %pairs = $text =~ /(k\d+)=(\d+)/g;
printf "pairs %d, sum %d\n", scalar keys %pairs, eval { my $s = 0; $s += $_ for values %pairs; $s };
