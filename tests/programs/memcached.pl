# SPDX-License-Identifier: MIT
# memcached.pl PORT CLIENTS ROUNDS: clients that set, get, append, count and delete, and check each
# answer. Prints one line a client; the same on every malloc.
use strict;
use warnings;
use IO::Socket::INET;

my ($port, $clients, $rounds) = @ARGV;
$| = 1;

sub client {
    my ($id) = @_;
    my $socket = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port, Proto => 'tcp')
        or die "connect: $!";
    my $state = $id + 1;
    my ($sets, $hits, $misses, $deletes, $wrong) = (0) x 5;
    my %expected;
    for my $round (1 .. $rounds) {
        $state = ($state * 1103515245 + 12345) % 2147483648;
        my $key = "k$id:" . ($state >> 8) % 500;
        my $size = ($state >> 5) % ($round % 50 == 0 ? 200_000 : 3000);
        my $kind = ($state >> 16) % 10;
        if ($kind < 4) {
            my $value = sprintf('%010d', $round) . chr(65 + $round % 26) x $size;
            print $socket "set $key 0 0 ", length $value, "\r\n$value\r\n";
            my $answer = <$socket>;
            if ($answer eq "STORED\r\n") { $expected{$key} = $value; $sets++; }
            else { $wrong++; }
        } elsif ($kind < 9) {
            print $socket "get $key\r\n";
            my $answer = <$socket>;
            if ($answer =~ /^VALUE \S+ \d+ (\d+)/) {
                my $value = '';
                read $socket, $value, $1 + 2;
                my $end = <$socket>;
                substr $value, -2, 2, '';
                $hits++;
                $wrong++ unless defined $expected{$key} && $value eq $expected{$key};
            } else {
                $misses++;
                $wrong++ if defined $expected{$key};
            }
        } else {
            print $socket "delete $key\r\n";
            my $answer = <$socket>;
            $wrong++ if ($answer eq "DELETED\r\n") != defined $expected{$key};
            delete $expected{$key};
            $deletes++;
        }
    }
    print "client $id: $sets sets, $hits hits, $misses misses, $deletes deletes, $wrong wrong\n";
    return $wrong ? 1 : 0;
}

my @children;
for my $id (1 .. $clients) {
    my $pid = fork;
    die "fork: $!" unless defined $pid;
    exit client($id) if $pid == 0;
    push @children, $pid;
}
my $failed = 0;
for my $pid (@children) { waitpid $pid, 0; $failed ||= $?; }
exit($failed ? 1 : 0);
