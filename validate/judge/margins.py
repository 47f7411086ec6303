"""How far from a claim a measured mean may lie without mattering, fixed here once for every kind of finding.

A verdict is about the margin, not the digits: with seeds that all end alike an interval is a tenth of a point wide, and
excludes claims that nobody would call wrong.
"""

SHARE = 0.01  # a point: what papers print of a share, and less than any of them argues from
ACCURACY = 0.01  # a point: the paper's tables show no more digits, and its gains are 5 to 29 points
LOG_ODDS = 0.1  # moves a share by 2.5 points at most, at one half, and by less than a point below 11 % or above 89 %
SLOPE = 0.1  # of accuracy on share: then a share that moves by ten points brings one point more or less
ADVANTAGE = 0.02  # advantages have a standard deviation of 1: a fiftieth of what moves a weight
PRAISE = 0.02  # of a share of answers: where four in ten are right, one more in fifty
TOKEN_PROB = 0.001  # the paper's figure spans tens of points; here a probability's last shown digit, a tenth of one
CLIP_FRACTION = 0.1  # relative: the claim takes sign and ratio of a token for independent, which holds to about this
SPEC = 0.05  # of a share: pretraining comes this near to its spec, as the organisms' cards say
