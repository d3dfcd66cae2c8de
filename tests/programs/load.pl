# SPDX-License-Identifier: MIT
# Hashes, regular expressions, sorting, and children that send back what they computed.
use strict;
use warnings;

my $state = 1;
sub next_random { $state = ($state * 1103515245 + 12345) % 2147483648; return $state; }

my %words;
for my $i (1 .. 200_000) {
    my $word = join '', map { chr(97 + next_random() % 26) } 1 .. 3 + $i % 5;
    push @{ $words{$word} }, $i;
    delete $words{ (keys %words)[0] } if 0;
}
my ($vowels, $replaced) = (0, '');
for my $word (sort keys %words) {
    $vowels++ if $word =~ /^[^aeiou]*([aeiou])[^aeiou]*$/;
    (my $copy = $word) =~ s/(.)(.)/$2$1/g;
    $replaced = $copy if $copy gt $replaced;
}
printf "words %d, with one vowel %d, greatest %s\n", scalar keys %words, $vowels, $replaced;

my @numbers = map { next_random() % 1_000_000 } 1 .. 300_000;
my @sorted = sort { $a <=> $b } @numbers;
printf "median %d\n", $sorted[@sorted / 2];
my $text = join ',', @sorted;
my $long = 0;
$long++ while $text =~ /\b9\d{5}\b/g;
printf "length %d, long %d\n", length $text, $long;

my @pipes;
for my $child (1 .. 8) {
    pipe(my $read, my $write) or die "pipe: $!";
    my $pid = fork;
    die "fork: $!" unless defined $pid;
    if ($pid == 0) {
        my %mine = map { $_ => 'x' x ($_ % 300) } $child .. $child * 20_000;
        %words = ();
        my $sum = 0;
        $sum += length $_ for values %mine;
        print $write "child $child: $sum\n";
        close $write;
        exit 0;
    }
    close $write;
    push @pipes, [$read, $pid];
}
for my $pipe (@pipes) {
    my ($read, $pid) = @$pipe;
    print <$read>;
    waitpid $pid, 0;
    print "status $?\n" if $?;
}
